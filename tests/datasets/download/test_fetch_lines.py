from __future__ import annotations

import logging

import pytest

from overland.datasets.download.fetch import LogLines


@pytest.mark.parametrize(("every_s", "expected"), [(0.0, ["1%|", "50%|", "100%|"]), (60.0, [])])
def test_a_bar_becomes_lines(every_s: float, expected: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(
        logging.getLogger("overland.datasets.download.fetch"), "info", lambda form, line: said.append(line)
    )
    lines = LogLines(every_s)
    for text in ("\r1%|", "", "\r50%|", "\n", "\r100%|\n"):
        print(text, end="", file=lines)
    assert said == expected
