"""The machine: its processors and memory, the part of them that this process may take, and the part it has taken."""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import re
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = [
    "available_memory_mb",
    "cpu_count",
    "cpu_features",
    "cpu_quota",
    "cpu_workers",
    "has_cuda",
    "keep_freed_memory",
    "memory_left_bytes",
    "peak_memory_mb",
]


_ROOT = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")
_STATUS = Path("/proc/self/status")
_MEMINFO = Path("/proc/meminfo")
_CPUINFO = Path("/proc/cpuinfo")

# Numbers of glibc's malloc.h, which Python does not know.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3


def cpu_quota(root: Path = _ROOT, membership: Path = _MEMBERSHIP) -> float | None:
    """Read how much processor time this process may use, from Linux control groups of version 1 and 2.

    Args:
        root: Where the groups are mounted.
        membership: The file that names the process's groups.

    Returns:
        Processors' worth of time; None without a limit.
    """
    quotas = []
    # Control groups of version 2, then those of version 1.
    for folder in _folders(root, membership, ""):
        text, _, length = (_text(folder / "cpu.max") or "max").partition(" ")
        if text != "max":
            quotas.append(int(text) / int(length))
    for folder in _folders(root, membership, "cpu"):
        quota, period = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
        if quota is not None and period is not None and quota > 0:
            quotas.append(quota / period)
    return min(quotas, default=None)


def memory_left_bytes(root: Path = _ROOT, membership: Path = _MEMBERSHIP) -> int | None:
    """Read how much memory this process may still take before it is killed, from Linux control groups.

    Args:
        root: Where the groups are mounted.
        membership: The file that names the process's groups.

    Returns:
        Bytes; None without a limit.
    """
    left = [_left(folder, "memory.max", "memory.current") for folder in _folders(root, membership, "")]
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
    left += [_left(folder, *names) for folder in _folders(root, membership, "memory")]
    return min((count for count in left if count is not None), default=None)


def _folders(root: Path, membership: Path, controller: str) -> Iterator[Path]:
    """The group's folder and those above it, whose limits hold too; controller "" stands for version 2."""
    if not membership.exists():
        return
    for line in membership.read_text(encoding="utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            top = root / controller
            group = top / path.lstrip("/")
            yield from (folder for folder in (group, *group.parents) if folder.is_relative_to(top))


def _left(folder: Path, limit_name: str, usage_name: str) -> int | None:
    limit, usage = _number(folder / limit_name), _number(folder / usage_name)
    if limit is None or usage is None:
        return None
    # Cached file contents count as used, but give way when memory is asked for.
    cached = re.search(r"^(?:total_)?inactive_file (\d+)$", _text(folder / "memory.stat") or "", re.MULTILINE)
    return max(0, limit - usage + (int(cached[1]) if cached else 0))


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text and text != "max" else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return None


def cpu_count() -> int:
    """Count the processors that this process may use: those it is bound to, and no more than a container's quota."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota()
    return bound if quota is None else max(1, min(bound, round(quota)))


def cpu_workers(threads: int) -> int:
    """Choose how many windows to compute at once on a processor: one for each thread, at most four.

    Threads that work on one window wait for each other after every layer; windows that are computed at once each take
    memory.

    Args:
        threads: Number of threads.

    Returns:
        Number of windows.
    """
    return min(threads, 4)


def cpu_features() -> frozenset[str]:
    """List the instructions of the processor as Linux names them ("avx2"); empty where the system does not tell."""
    if not _CPUINFO.exists():
        return frozenset()
    flags = re.search(r"^(?:flags|Features)\s*:(.*)$", _CPUINFO.read_text(encoding="utf-8"), re.MULTILINE)
    return frozenset(flags[1].split()) if flags else frozenset()


def has_cuda() -> bool:
    """Ask the NVIDIA driver for a GPU that this process may use; no toolkit is needed."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int()
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0


def available_memory_mb() -> float | None:
    """Measure the memory that this process may still take, in MB, within the container's limit.

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
    """Read the largest resident memory of the process so far, in MB; None on systems that do not tell (Windows)."""
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

    Getting it anew costs a page fault for every 4 KiB. It does its work at the first call.

    Returns:
        True where the C library takes the request: glibc only.
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
