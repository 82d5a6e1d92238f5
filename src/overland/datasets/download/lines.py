"""What other programs draw as a bar, as one line every ten seconds."""

from __future__ import annotations

import io
import logging
import time

__all__ = ["LogLines"]

logger = logging.getLogger("overland")

_LINE_EVERY_S = 10.0


class LogLines(io.TextIOBase):
    """A text stream that logs the newest of what is written to it, at most one line in `every_s` seconds."""

    def __init__(self, every_s: float = _LINE_EVERY_S) -> None:
        self.every_s = every_s
        self.last = time.monotonic()

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, text: str) -> int:
        """Take a piece of text, which may redraw the line before it."""
        line = text.strip()
        if line and time.monotonic() - self.last >= self.every_s:
            self.last = time.monotonic()
            logger.info("%s", line)
        return len(text)
