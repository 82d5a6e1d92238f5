"""Go on after a cut connection, for as long as each try gets further."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["PAUSES_S", "Interrupted", "keep_trying"]

logger = logging.getLogger("overland")

Result = TypeVar("Result")

# Seconds before each further try; a try that brings bytes starts the list anew.
PAUSES_S = [1.0, 3.0, 10.0, 30.0]
_TRIES_FOR_A_START = 2


class Interrupted(Exception):  # noqa: N818 - no fault in itself: the work goes on
    """A transfer broke off for a reason that may pass; its text says why, without addresses."""


def keep_trying(work: Callable[[], Result], arrived: Callable[[], int]) -> Result:
    """Repeat work that ends in `Interrupted`, until it is done or several tries in a row brought nothing.

    `arrived` counts the bytes so far; while there are none, patience is short, for nothing is lost. Raises the last
    `Interrupted`.
    """
    before, failed = arrived(), 0
    while True:
        try:
            return work()
        except Interrupted as error:
            now = arrived()
            failed = 1 if now > before else failed + 1
            before = now
            if failed > (len(PAUSES_S) if now else _TRIES_FOR_A_START):
                raise
            pause = PAUSES_S[failed - 1]
            logger.info("The download broke off (%s); it goes on in %.3g s.", error, pause)
            time.sleep(pause)
