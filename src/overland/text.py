"""Text files that people write: YAML read with clear errors, and the closest name to a misspelt one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from overland.errors import UsageError

__all__ = ["closest_name", "load_yaml", "parse_yaml"]


def load_yaml(path: str | Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping. Raises `UsageError` when it does not exist or holds something else."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read ({error}).") from error
    return parse_yaml(text, str(path))


def closest_name(name: str, known: Iterable[str]) -> str:
    """ "; did you mean X?" for the closest known name, or nothing."""
    matches = difflib.get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {matches[0]}?" if matches else ""


def parse_yaml(text: str, where: str) -> dict[str, Any]:
    """Read YAML text that holds a mapping; `where` names its origin in an error. Raises `UsageError` otherwise."""
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"{where} is not valid YAML ({' '.join(str(error).split())}).") from error
    if not isinstance(values, dict):
        raise UsageError(f"{where} must hold settings as `name: value` lines.")
    return values
