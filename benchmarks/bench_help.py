"""Time of `overland --help` and of every command's --help: the median of five, against the bare interpreter."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from overland.cli import COMMANDS

RUNS = 5


def main() -> None:
    """Print seconds for each command, and the ratio to an interpreter that does nothing."""
    overland = str(Path(sys.executable).with_name("overland"))
    bare = _median([sys.executable, "-c", ""])
    print(f"{'the interpreter alone':32} {bare:.3f} s")
    for words in ([], *([name] for name in COMMANDS), ["data", "check"]):
        seconds = _median([overland, *words, "--help"])
        print(f"{' '.join(['overland', *words, '--help']):32} {seconds:.3f} s, {seconds / bare:.1f} x the interpreter")


def _median(command: list[str]) -> float:
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


if __name__ == "__main__":
    main()
