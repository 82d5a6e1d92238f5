"""Where a figure comes from: commit, date, machine."""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def provenance() -> dict[str, str]:
    """Commit (with + when the tree has changes, results of benchmarks aside), date and cores."""
    commit = _git("rev-parse", "--short", "HEAD")
    changed = "+" if _git("status", "--porcelain", "--", ".", ":!benchmarks/results") else ""
    cores = f"{len(os.sched_getaffinity(0))} cores, {platform.machine()}"
    return {"commit": commit + changed, "date": datetime.date.today().isoformat(), "machine": cores}


def write_figures(path: Path, figures: dict[str, Any]) -> None:
    """Keep figures as JSON and print them; take their `provenance` before the work starts."""
    text = json.dumps(figures, indent=2)
    path.write_text(text + "\n", encoding="utf-8")
    print(text)


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
