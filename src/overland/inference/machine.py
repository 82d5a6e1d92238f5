"""What the machine has, what this process may take of it, and what it has taken."""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import re
import sys
from pathlib import Path

from overland.inference.cgroup import cpu_quota, memory_left_bytes

__all__ = [
    "available_memory_mb",
    "cpu_count",
    "cpu_features",
    "cpu_streams",
    "has_cuda",
    "keep_freed_memory",
    "peak_memory_mb",
]

_STATUS = Path("/proc/self/status")
_MEMINFO = Path("/proc/meminfo")
_CPUINFO = Path("/proc/cpuinfo")

# Numbers of glibc's malloc.h, which Python does not know.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3


def cpu_count() -> int:
    """Number of processors that this process may use: those it is bound to, and no more than a container's quota."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota()
    return bound if quota is None else max(1, min(bound, round(quota)))


def cpu_streams(threads: int) -> int:
    """How many chips to compute at once with a number of threads: one for each, at most four.

    Threads that share a chip wait for each other after every layer; chips that are computed at once each take memory.
    """
    return min(threads, 4)


def cpu_features() -> frozenset[str]:
    """What the processor can do, as Linux names it ("avx2", "amx_bf16"); empty where the system does not tell."""
    if not _CPUINFO.exists():
        return frozenset()
    flags = re.search(r"^(?:flags|Features)\s*:(.*)$", _CPUINFO.read_text(encoding="utf-8"), re.MULTILINE)
    return frozenset(flags[1].split()) if flags else frozenset()


def has_cuda() -> bool:
    """Whether the NVIDIA driver shows a GPU to this process; asks the driver alone, so that no toolkit is needed."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int()
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0


def available_memory_mb() -> float | None:
    """Memory that this process may still take, in MB: what the system has to spare, within the container's limit.

    Where the system does not tell (macOS) it is half of all the memory; None where even that is not known (Windows).
    """
    if not _MEMINFO.exists():
        total = _total_memory_mb()
        return None if total is None else total / 2
    found = re.search(r"MemAvailable:\s+(\d+) kB", _MEMINFO.read_text(encoding="ascii"))
    left = [int(found[1]) * 1024] if found else []
    in_group = memory_left_bytes()
    left += [] if in_group is None else [in_group]
    return round(min(left) / 1e6, 1) if left else None


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


@functools.cache
def keep_freed_memory() -> bool:
    """Let the C library keep the memory that was freed instead of handing it back after each large array.

    Getting it anew costs a page fault for every 4 KiB. Returns whether it could be asked for: glibc only. It does its
    work at the first call.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    # Before glibc 2.35 no more than 32 MiB could be asked for.
    largest = any(mallopt(_M_MMAP_THRESHOLD, size) for size in (1 << 30, 1 << 25))
    return bool(largest and mallopt(_M_TRIM_THRESHOLD, 1 << 30) and mallopt(_M_TOP_PAD, 1 << 26))


def _total_memory_mb() -> float | None:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)
