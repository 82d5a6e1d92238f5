from __future__ import annotations

import pytest

from overland.datasets.download.fetch import Interrupted, keep_trying


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("overland.datasets.download.fetch.PAUSES_S", [0.0, 0.0, 0.0])


def test_it_goes_on_for_as_long_as_something_arrives() -> None:
    arrived = 0

    def work() -> str:
        nonlocal arrived
        arrived += 1
        if arrived < 10:
            raise Interrupted("cut")
        return "done"

    assert keep_trying(work, lambda: arrived) == "done"


@pytest.mark.parametrize(("arrived", "tries"), [(5, 4), (0, 3)])
def test_it_gives_up_when_nothing_does_and_sooner_before_the_start(arrived: int, tries: int) -> None:
    done = []

    def work() -> None:
        done.append(1)
        raise Interrupted("cut")

    with pytest.raises(Interrupted, match="cut"):
        keep_trying(work, lambda: arrived)
    assert len(done) == tries
