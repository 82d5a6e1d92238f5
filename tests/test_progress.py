import logging

import pytest

from overland import progress
from overland.progress import format_seconds, track


@pytest.mark.parametrize(("seconds", "text"), [(9.4, "9 s"), (65, "1 min 5 s"), (7800, "2 h 10 min")])
def test_format_seconds(seconds, text):
    assert format_seconds(seconds) == text


def test_a_line_every_ten_seconds_has_rate_and_eta(monkeypatch, caplog):
    clock = iter([0.0, 5.0, 20.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    caplog.set_level(logging.INFO, "overland")
    with track("Training", 400, "images") as advance:
        advance(50)
        advance(50)
    assert [record.getMessage() for record in caplog.records] == [
        "Training: 100 of 400 images, 5 images/s, ETA 1 min 0 s"
    ]


def test_quiet_says_nothing(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("overland"), "level", logging.ERROR)
    with track("Training", 2, "images") as advance:
        advance(1)
    assert not caplog.records
