from types import SimpleNamespace

import pytest

pytest.importorskip("torch")

from overland.training import callbacks as clock_module
from overland.training.callbacks import RunClock


@pytest.fixture
def now(monkeypatch):
    """A clock that stands still until it is told."""
    value = [100.0]
    monkeypatch.setattr(clock_module.time, "monotonic", lambda: value[0])
    return value


def trainer(step=0):
    return SimpleNamespace(global_step=step, should_stop=False)


def test_steps_count_where_no_minutes_are_given(now):
    clock, run = RunClock(steps=10, minutes=0), trainer()
    assert clock.position() == 0
    clock.on_train_start(run, None)
    clock.on_before_optimizer_step(trainer(step=4), None, None)
    assert clock.position() == 0.5
    now[0] += 1e6
    clock.on_train_batch_end(run, None, None, None, 0)
    assert not run.should_stop
    assert clock.position() == 0.5


def test_minutes_end_a_run_and_count_as_its_position(now):
    clock, run = RunClock(steps=10, minutes=2), trainer()
    clock.on_train_start(run, None)
    now[0] += 90
    clock.on_train_batch_end(run, None, None, None, 0)
    assert (clock.position(), run.should_stop) == (0.75, False)
    now[0] += 31
    clock.on_train_batch_end(run, None, None, None, 1)
    assert (clock.position(), run.should_stop) == (1.0, True)


def test_the_minutes_before_a_resume_count(now):
    first = RunClock(steps=10, minutes=2)
    first.on_train_start(trainer(), None)
    now[0] += 60
    second = RunClock(steps=10, minutes=2)
    second.load_state_dict(first.state_dict())
    now[0] += 1000
    second.on_train_start(trainer(step=3), None)
    now[0] += 30
    assert second.position() == 0.75
    assert second.elapsed_s == 90
