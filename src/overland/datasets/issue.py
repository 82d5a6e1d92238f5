"""An issue: one thing that is wrong with a dataset, or worth knowing about it."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from overland.errors import DataError
from overland.result import Result

__all__ = ["Issue", "Severity", "count_of", "named_files", "raise_errors"]

Severity = Literal["error", "warning", "info"]

_FEW = 5


@dataclass(frozen=True)
class Issue(Result):
    """One thing found in a dataset.

    Attributes:
        severity: An error keeps the dataset from being used, by `train` as by every other verb; a warning does not.
        code: A short name of the kind, such as missing-mask.
        message: What was found, where, and what to do.
        files: All files concerned.
    """

    severity: Severity
    code: str
    message: str
    files: tuple[Path, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON.

        Returns:
            The fields, with at most five of the files, and `files_count`, which says how many there are.
        """
        return {
            "severity": self.severity,
            "code": self.code,
            "message": self.message,
            "files": [str(path) for path in self.files[:_FEW]],
            "files_count": len(self.files),
        }


def raise_errors(issues: Sequence[Issue], root: Path) -> None:
    """Raise the first issue that is an error.

    Args:
        issues: What was found in a dataset.
        root: Its folder, named in the message.

    Raises:
        DataError: One of the issues is an error.
    """
    errors = [issue for issue in issues if issue.severity == "error"]
    if errors:
        rest = len(errors) - 1
        more = f" And {rest} more: `overland data check {root}` names them all." if rest else ""
        raise DataError(errors[0].message + more)


def count_of(items: Sized, noun: str) -> str:
    """Return how many there are, with the noun in the right number.

    Args:
        items: Anything with a length.
        noun: The noun for one of them, whose plural ends in s.

    Returns:
        Such as "1 image" or "2 images".
    """
    return f"{len(items)} {noun}" + ("" if len(items) == 1 else "s")


def named_files(paths: Sequence[Path], few: int = 3) -> str:
    """Return the names of the first files, and how many more there are.

    Args:
        paths: The files.
        few: How many are named.

    Returns:
        Such as "train/a.png, train/b.png and 4 more".
    """
    names = ", ".join(f"{path.parent.name}/{path.name}" for path in paths[:few])
    rest = len(paths) - few
    return f"{names} and {rest} more" if rest > 0 else names
