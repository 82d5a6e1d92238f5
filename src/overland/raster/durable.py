"""What survives a crash: files that are on the disk before anything relies on them; locks that die with a process."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

__all__ = ["held_lock", "replace_durably", "sync_file"]


def sync_file(path: Path) -> None:
    """Wait until a file's contents are on the disk."""
    # Windows refuses to flush a file that is open for reading alone.
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def replace_durably(source: Path, target: Path) -> None:
    """Rename a file whose contents are on the disk already, and wait until the new name is there too."""
    source.replace(target)
    _sync_folder(target.parent)


@contextmanager
def held_lock(path: Path) -> Iterator[bool]:
    """Hold the lock of a file, which is made if need be; yields False when another process holds it.

    The system releases it when the process ends, however it ends.
    """
    with path.open("a+b") as file:
        # The holder before may have removed the file meanwhile: then this lock guards nothing.
        yield _lock(file) and path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat())


def _sync_folder(folder: Path) -> None:
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _lock(file: IO[bytes]) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
