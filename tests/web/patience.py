"""Waiting on a loaded machine: as long as it takes, within a bound that no machine at work reaches."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_S = 600.0
"""A test that waits longer than this waits for what never comes."""


def wait_until(condition: Callable[[], object], *, patience_s: float = PATIENCE_S) -> None:
    """Wait until a condition holds; fails where it never does."""
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
