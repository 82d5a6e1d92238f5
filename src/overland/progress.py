"""Progress of long work on stderr: a bar on a terminal, one line every ten seconds elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Advance", "format_seconds", "track"]

logger = logging.getLogger(__name__)

_package = logging.getLogger("overland")

Advance = Callable[[float], None]
"""A function that is told the amount of work done since it was last called."""
_LINE_EVERY_S = 10.0


@contextmanager
def track(description: str, total: float, unit: str, *, rate: Callable[[], str] | None = None) -> Iterator[Advance]:
    """Show how far a piece of work is, with its rate and the time left.

    Shown on a terminal, and elsewhere when the logger "overland" is at INFO;
    `logging.getLogger("overland").setLevel("WARNING")` silences both.

    Args:
        description: Name of the work, such as "Training".
        total: Amount of the whole work.
        unit: Unit of the amount, such as "images".
        rate: Returns the rate in words, where another than `unit` a second tells more.

    Yields:
        A function that is called with the amount done since its last call, in `unit`.
    """
    if max(logger.level, _package.level) > logging.INFO:
        yield lambda amount: None
    elif sys.stderr.isatty():
        with _bar(description, total, unit, rate) as advance:
            yield advance
    elif logger.isEnabledFor(logging.INFO):
        yield _line_every_ten_seconds(description, total, unit, rate)
    else:
        yield lambda amount: None


def format_seconds(seconds: float) -> str:
    """Say a duration as people do: 9 s, 1 min 5 s, 2 h 10 min.

    Args:
        seconds: The duration.

    Returns:
        The text.
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


@contextmanager
def _bar(description: str, total: float, unit: str, rate: Callable[[], str] | None) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.4g}/{task.total:.4g} {task.fields[unit]}"),
        TextColumn("{task.fields[rate]}"),
        TextColumn("ETA"),
        TimeRemainingColumn(),
    )
    started = time.monotonic()
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(description, total=total, unit=unit, rate="")

        def advance(amount: float) -> None:
            done = bar.tasks[0].completed + amount
            per_second = done / max(time.monotonic() - started, 1e-9)
            bar.update(task, advance=amount, rate=rate() if rate else f"{per_second:.3g} {unit}/s")

        yield advance


def _line_every_ten_seconds(description: str, total: float, unit: str, rate: Callable[[], str] | None) -> Advance:
    started = last = time.monotonic()
    done = 0.0

    def advance(amount: float) -> None:
        nonlocal done, last
        done += amount
        now = time.monotonic()
        if now - last < _LINE_EVERY_S:
            return
        last = now
        per_second = done / (now - started)
        left = format_seconds((total - done) / per_second) if per_second > 0 else "unknown"
        speed = rate() if rate else f"{per_second:.3g} {unit}/s"
        logger.info("%s: %.4g of %.4g %s, %s, ETA %s", description, done, total, unit, speed, left)

    return advance
