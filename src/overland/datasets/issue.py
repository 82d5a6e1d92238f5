"""an issue: one thing that is wrong with a dataset, or worth knowing about it."""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

__all__ = ["Issue", "Severity", "count_of", "named_files"]

Severity = Literal["error", "warning", "info"]

_FEW = 5


@dataclass(frozen=True)
class Issue:
    """One thing found in a dataset: `message` says what, where and what to do; `files` are all the files concerned."""

    severity: Severity
    code: str
    message: str
    files: tuple[Path, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; at most five files are listed, `files_count` says how many there are."""
        return {
            "severity": self.severity,
            "code": self.code,
            "message": self.message,
            "files": [str(path) for path in self.files[:_FEW]],
            "files_count": len(self.files),
        }


def count_of(items: Sized, noun: str) -> str:
    """How many there are, with the noun in the right number: 1 image, 2 images."""
    return f"{len(items)} {noun}" + ("" if len(items) == 1 else "s")


def named_files(paths: tuple[Path, ...] | list[Path], few: int = 3) -> str:
    """The names of the first few files, and how many more there are."""
    names = ", ".join(f"{path.parent.name}/{path.name}" for path in paths[:few])
    rest = len(paths) - few
    return f"{names} and {rest} more" if rest > 0 else names
