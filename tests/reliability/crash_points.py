"""Run a command of Overland that kills itself at a point where it changes the disk.

python crash_points.py POINT WORDS...   kills itself (SIGKILL) just before the change number POINT
python crash_points.py count WORDS...   runs to its end and writes the number of changes to the file $CRASH_POINTS

A change is a rename, an fsync or the removal of a file or a folder: between two of them lies every state that a crash
can leave behind.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

CHANGES = ("replace", "rename", "fsync", "unlink", "remove", "rmdir")


def main() -> None:
    """Arm the points and run the command line."""
    wanted, words = sys.argv[1], sys.argv[2:]
    numbers = itertools.count(1)
    last = 0

    def armed(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal last
            last = next(numbers)
            if str(last) == wanted:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **options)

        return call

    for name in CHANGES:
        setattr(os, name, armed(getattr(os, name)))
    sys.argv = ["overland", *words]
    from overland.cli import main as overland

    try:
        overland()
    finally:
        if wanted == "count":
            Path(os.environ["CRASH_POINTS"]).write_text(str(last))


if __name__ == "__main__":
    main()
