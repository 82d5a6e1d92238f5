"""Processes of their own: so that peak memory is that of one piece of work, and nothing is warm from the one before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

__all__ = ["in_child", "overland_json", "run_json"]

T = TypeVar("T")


def in_child(function: Callable[..., T], *arguments: Any) -> T:
    """Call a function in a fresh process and give what it returns; an exception is raised here."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def overland_json(*words: Any) -> dict[str, Any]:
    """Run a command of Overland's with --json, and give its values and times as `run_json` does."""
    return run_json([Path(sys.executable).with_name("overland"), *words, "--json"])


def run_json(command: Sequence[Any], **options: Any) -> dict[str, Any]:
    """Run a command whose output ends with a JSON object, and give its values.

    Added are `process_seconds`, on the clock, and `processor_seconds`, over all its threads and processes. Raises
    `SystemExit` with what the command said when it fails.
    """
    words = [str(word) for word in command]
    started, before = time.perf_counter(), os.times()
    done = subprocess.run(words, capture_output=True, text=True, **options)
    seconds, after = time.perf_counter() - started, os.times()
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} failed:\n{done.stderr[-2000:] or done.stdout[-2000:]}")
    # Libraries may have printed something before.
    output = f"\n{done.stdout}"
    values: dict[str, Any] = json.loads(output[output.rindex("\n{") :])
    return values | {"process_seconds": round(seconds, 3), "processor_seconds": round(processor, 3)}
