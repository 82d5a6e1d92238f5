"""A folder of results that appears whole or not at all."""

from __future__ import annotations

import csv
import math
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path
from typing import IO, Any

from overland.errors import UsageError

__all__ = [
    "check_folder",
    "check_model_folder",
    "check_outside",
    "free_folder",
    "fsync_file",
    "held_lock",
    "replace_atomically",
    "write_folder",
    "write_table",
]


# What survives a crash: files that are on the disk before anything relies on them; locks that die with a process.


def fsync_file(path: Path) -> None:
    """Wait until a file's contents are on the disk."""
    # Windows refuses to flush a file that is open for reading alone.
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def replace_atomically(source: Path, target: Path) -> None:
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


def check_folder(folder: str | Path, *, overwrite: bool = False) -> Path:
    """Make sure that a folder of results may be written.

    Raises `UsageError` when it holds something already and `overwrite` is not given, and when it holds something that
    is not an evaluation: the folder is replaced whole, and nothing else may go with it.
    """
    folder = Path(folder)
    if folder.is_file():
        raise UsageError(f"{folder} is a file; name a folder for the results.")
    if not folder.is_dir() or not any(folder.iterdir()):
        return folder
    if not overwrite:
        raise UsageError(f"{folder} exists already. Add --overwrite to replace it, or choose another --output.")
    if not (folder / "metrics.json").is_file():
        raise UsageError(
            f"{folder} holds something that is no evaluation, so it is not replaced. Choose another --output."
        )
    return folder


def check_model_folder(model: str | Path, output: str | Path, *, overwrite: bool = False) -> Path:
    """Make sure that a folder may be written that is made of a model and is one itself.

    Raises `UsageError` when it is the model itself or in it, when it holds something already and `overwrite` is not
    given, and when it holds something that is no model.
    """
    output = check_outside(model, output)
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return output
    if not overwrite:
        raise UsageError(f"{output} exists already. Add --overwrite to replace it, or choose another name.")
    if not (output / "overland.json").is_file():
        raise UsageError(f"{output} holds something that is no model, so it is not replaced. Choose another name.")
    return output


def check_outside(model: str | Path, output: str | Path) -> Path:
    """Make sure that an output is not the model that it is made of, nor in it; raises `UsageError`."""
    output = Path(output)
    if Path(model).resolve() in (output.resolve(), *output.resolve().parents):
        raise UsageError(f"{output} is the model itself, or in it; choose another output.")
    return output


def free_folder(folder: str | Path) -> Path:
    """The folder itself, or with the first number behind its name that is not taken: `name`, `name2`, `name3`, ..."""
    folder = Path(folder)
    names = chain([folder.name], (f"{folder.name}{number}" for number in count(2)))
    return next(path for path in map(folder.with_name, names) if not path.exists())


@contextmanager
def write_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder to write to; at the end it takes the place of `folder`, after an error it goes."""
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        yield part
        if folder.exists():
            shutil.rmtree(folder)
        part.replace(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


# A table as CSV, whole or not at all.


def write_table(path: str | Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Path:
    """Write rows as comma-separated UTF-8 with a header; None and NaN become empty cells."""
    path = Path(path)
    part = path.with_name(path.name + ".part")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows([_cell(row[column]) for column in columns] for row in rows)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _cell(value: Any) -> Any:
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else value
