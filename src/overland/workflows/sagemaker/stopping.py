"""SIGTERM as SageMaker sends it: the work is interrupted once, and what is left to do has a limit of time."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["StopRequest", "interrupted_at_sigterm", "time_limit"]


class StopRequest:
    """When the job was asked to stop, in seconds of `time.monotonic`; None while it was not."""

    def __init__(self) -> None:
        self.asked_at: float | None = None

    def left_s(self, allowed_s: float) -> float:
        """What is left of the seconds that are allowed from the request on; at least a tenth of one."""
        asked_at = time.monotonic() if self.asked_at is None else self.asked_at
        return max(0.1, asked_at + allowed_s - time.monotonic())


@contextmanager
def interrupted_at_sigterm() -> Iterator[StopRequest]:
    """Raise `KeyboardInterrupt` in the block at the first SIGTERM; later ones change nothing. Main thread only."""
    request = StopRequest()

    def ask(number: int, frame: FrameType | None) -> None:
        if request.asked_at is None:
            request.asked_at = time.monotonic()
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, ask)
    try:
        yield request
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TimeoutError` out of the block when it takes longer; inside it is a `KeyboardInterrupt`, so that work that
    can be interrupted ends as it does then. Main thread of a POSIX system only.
    """
    is_over = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal is_over
        is_over = True
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except KeyboardInterrupt:
        if not is_over:
            raise
        raise TimeoutError(f"not done within {seconds:.0f} s") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
