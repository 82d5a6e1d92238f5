"""Amounts of memory as people write them."""

from __future__ import annotations

import re

from overland.errors import UsageError

__all__ = ["megabytes"]

_UNITS_MB = {"": 1.0, "KB": 1e-3, "MB": 1.0, "GB": 1e3, "TB": 1e6, "KIB": 1.024e-3, "MIB": 1.048576, "GIB": 1073.741824}


def megabytes(amount: str | float) -> float:
    """Megabytes of "4GB", "800 MB", "1.5GiB" or a plain number of megabytes. Raises `UsageError` for anything else."""
    found = re.fullmatch(r"([0-9]*\.?[0-9]+)\s*([A-Za-z]*)", str(amount).strip())
    unit = _UNITS_MB.get(found[2].upper()) if found else None
    if found is None or unit is None or not float(found[1]) > 0:
        raise UsageError(f"{amount!r} is no amount of memory; write it as 4GB or 800MB.")
    return float(found[1]) * unit
