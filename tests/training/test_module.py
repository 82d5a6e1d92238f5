import pytest

pytest.importorskip("torch")

from overland.training.module import Schedule, schedule_factor


def test_the_schedule_rises_in_a_line_and_falls_in_a_cosine():
    schedule = Schedule(lr=1.0, weight_decay=0.0, warmup=0.1, steps=110)
    assert schedule_factor(0, schedule) == pytest.approx(1 / 11)
    assert schedule_factor(10, schedule) == 1
    assert schedule_factor(11, schedule) == 1
    assert schedule_factor(11 + 99 // 2, schedule) == pytest.approx(0.5, abs=0.01)
    assert schedule_factor(110, schedule) == 0
    assert schedule_factor(500, schedule) == 0
