"""The limits that a container or a batch system sets through Linux control groups, version 1 and 2."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

__all__ = ["cpu_quota", "memory_left_bytes"]

_ROOT = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")


def cpu_quota(root: Path = _ROOT, membership: Path = _MEMBERSHIP) -> float | None:
    """Processors' worth of time that this process may use; None without a limit."""
    quotas = [_quota_v2(folder) for folder in _folders(root, membership, "")]
    quotas += [_quota_v1(folder) for folder in _folders(root, membership, "cpu")]
    return min((quota for quota in quotas if quota is not None), default=None)


def memory_left_bytes(root: Path = _ROOT, membership: Path = _MEMBERSHIP) -> int | None:
    """Bytes that this process may still take before it is killed; None without a limit."""
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


def _quota_v2(folder: Path) -> float | None:
    quota, _, period = (_text(folder / "cpu.max") or "max").partition(" ")
    return None if quota == "max" else int(quota) / int(period)


def _quota_v1(folder: Path) -> float | None:
    quota, period = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
    return None if quota is None or period is None or quota <= 0 else quota / period


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
