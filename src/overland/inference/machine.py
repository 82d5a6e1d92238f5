"""What the process has used of the machine."""

from __future__ import annotations

import re
import sys
from pathlib import Path

__all__ = ["peak_memory_mb"]

_STATUS = Path("/proc/self/status")


def peak_memory_mb() -> float | None:
    """Largest resident memory of the process so far, in MB; None on systems that do not tell (Windows)."""
    if _STATUS.exists():
        # On Linux getrusage also counts the process that started this one.
        peak = re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text(encoding="ascii"))
        return round(int(peak[1]) * 1024 / 1e6, 1) if peak else None
    try:
        import resource
    except ImportError:
        return None
    # macOS counts bytes, the BSDs kilobytes.
    scale = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 1e6, 1)
