import os
import signal
import sys
import time

import pytest

from overland.sagemaker.job import StopRequest, interrupted_at_sigterm, time_limit

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")


def test_the_first_sigterm_interrupts_and_later_ones_change_nothing():
    before = signal.getsignal(signal.SIGTERM)
    with interrupted_at_sigterm() as stop:
        assert stop.asked_at is None
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        assert stop.asked_at is not None
        os.kill(os.getpid(), signal.SIGTERM)
        assert 99 < stop.left_s(100) <= 100
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_takes_too_long_is_ended():
    with pytest.raises(TimeoutError), time_limit(0.05):
        time.sleep(5)
    with time_limit(5):
        pass
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_another_interrupt_passes_through():
    with pytest.raises(KeyboardInterrupt), time_limit(5):
        raise KeyboardInterrupt


def test_there_is_always_a_little_time_left():
    stop = StopRequest()
    stop.asked_at = time.monotonic() - 1000
    assert stop.left_s(100) == pytest.approx(0.1)
