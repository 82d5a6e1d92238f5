"""Results of verbs: typed values that become the plain values of `--json`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Result", "plain"]


@dataclass(frozen=True)
class Result:
    """The result of a verb; each verb has a child with its own typed fields."""

    def to_dict(self) -> dict[str, Any]:
        """Return the plain values that `--json` prints.

        Returns:
            A mapping of field names to text, numbers, booleans, None, lists and mappings. Paths are text. A number that
            does not exist (NaN, or infinity) is None, because JSON has neither.
        """
        return {field.name: plain(getattr(self, field.name)) for field in dataclasses.fields(self)}


def plain(value: object) -> Any:
    """Return a value as JSON can hold it.

    Args:
        value: Anything made of results, dataclasses, mappings, sequences, paths, numbers and text.

    Returns:
        The same as text, numbers, booleans, None, lists and mappings with text as keys.
    """
    if isinstance(value, Result):
        return value.to_dict()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, str | int | float | bool | None):
        return value
    return str(value) if isinstance(value, Path) else plain(value.item()) if hasattr(value, "item") else str(value)
