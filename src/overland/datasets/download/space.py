"""Room on the disk, asked for before and said plainly when it is gone."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from overland.errors import ResourceError

__all__ = ["check_space", "full_disk_as_error"]

_FULL = {errno.ENOSPC, errno.EDQUOT}


def check_space(folder: Path, needed_bytes: float, what: str) -> None:
    """Make sure that the disk of a folder, which need not exist yet, has room; raises `ResourceError`."""
    parent = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(parent).free
    if free < needed_bytes:
        raise ResourceError(
            f"{what} needs about {needed_bytes / 1e9:.3g} GB and the disk of {folder} has {free / 1e9:.3g} GB free. "
            "Make room, or choose a folder on another disk with --output."
        )


@contextmanager
def full_disk_as_error(folder: Path) -> Iterator[None]:
    """Turn the system's "no space left" into `ResourceError`."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise ResourceError(
            f"The disk of {folder} is full. What has arrived is kept: make room and run this again to go on."
        ) from error
