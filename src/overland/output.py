"""The one door out: files and folders of results that appear whole or not at all, and never in place of an input.

Every verb writes through here. Before the work the place is checked (`check_output`, `check_folder`): its suffix, that
nothing is replaced unasked, that no input lies there, and that the folder takes files at all. Then the result is
written under a fresh name of its own next to the place, brought to the disk and renamed (`fresh_file`, `write_folder`);
after an error nothing is left. Errors of the system become one sentence (`writing_errors`).
"""

from __future__ import annotations

import csv
import hashlib
import math
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import chain, count
from pathlib import Path
from typing import IO, Any

from overland.errors import DataError, UsageError, error_from_system

__all__ = [
    "check_folder",
    "check_model_folder",
    "check_not_input",
    "check_output",
    "check_outside",
    "check_writable",
    "csv_cell",
    "free_folder",
    "fresh_file",
    "fresh_path",
    "fsync_file",
    "held_lock",
    "replace_atomically",
    "reserve_room",
    "sha256_of",
    "write_folder",
    "write_table",
    "write_text",
    "writing_errors",
]

_SHOWN_OF_NAME = 40


def check_output(
    path: str | Path, *, suffixes: Sequence[str], overwrite: bool = False, inputs: Iterable[str | Path] = ()
) -> Path:
    """Make sure that a file may be written, before any work is done for it.

    Args:
        path: The file; its folder is made if need be.
        suffixes: Suffixes that it may have, in lower case with the dot.
        overwrite: Whether a file that is there may be replaced.
        inputs: Files that are read, with those that they refer to; see `overland.raster.input_files`.

    Returns:
        The path.

    Raises:
        UsageError: For another suffix, a folder or a device of that name, a file that is there already, an input, and a
            folder that takes no files.
        ResourceError: When its disk is full.
    """
    path = Path(path)
    if path.suffix.lower() not in suffixes:
        raise UsageError(f"{path}: the output's suffix must be one of {', '.join(suffixes)}; it decides the format.")
    with writing_errors(path):
        if path.is_dir():
            raise UsageError(f"{path} is a folder; name a file.")
        check_not_input(path, inputs)
        if os.path.lexists(path) and not overwrite:
            raise UsageError(f"{path} exists already. Add --overwrite to replace it, or choose another name.")
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is no regular file, so it is not replaced. Choose another name.")
        check_writable(path)
    return path


def check_not_input(output: str | Path, inputs: Iterable[str | Path]) -> None:
    """Make sure that an output is none of the inputs, nor a folder that holds one.

    Args:
        output: The file or folder that is to be written.
        inputs: Files that are read; names that are no files of this machine are passed over.

    Raises:
        UsageError: When the output would take the place of an input.
    """
    output = Path(output)
    for source in map(Path, inputs):
        with suppress(OSError):
            if source.exists() and output.exists() and source.samefile(output):
                raise UsageError(
                    f"{output} is an input, or a part of one, and would be overwritten; choose another output."
                )
            if output.is_dir() and output.resolve() in source.resolve().parents:
                raise UsageError(f"{output} holds the input {source} and would be overwritten; choose another output.")


def check_writable(path: Path) -> None:
    """Make sure that a folder takes a file, by making it if need be and a file of another name in it; both go again.

    Args:
        path: The file or folder that is to be written.

    Raises:
        UsageError: When the folder cannot be made or takes no files, or the name is too long.
        ResourceError: When its disk is full.
    """
    made = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
    try:
        with writing_errors(path.parent):
            barrier = next((place for place in (path.parent, *path.parent.parents) if place.exists()), path.parent)
            if barrier.exists() and not barrier.is_dir():
                raise UsageError(f"{path.parent} cannot be made a folder: {barrier} is a file.")
            path.parent.mkdir(parents=True, exist_ok=True)
            probe = fresh_path(path)
            probe.touch(exist_ok=False)
            probe.unlink()
        with writing_errors(path), suppress(FileNotFoundError):
            # The longest name that is made of it: class names go to a file next to a map.
            os.lstat(f"{path}.aux.xml")
    finally:
        # Work that is refused later leaves no empty folders; whoever writes makes them again.
        for folder in made:
            with suppress(OSError):
                folder.rmdir()


def check_folder(folder: str | Path, *, overwrite: bool = False, inputs: Iterable[str | Path] = ()) -> Path:
    """Make sure that a folder of results may be written, before any work is done for it.

    Args:
        folder: The folder; it is replaced whole.
        overwrite: Whether an evaluation that is there may be replaced.
        inputs: Files that are read.

    Returns:
        The path.

    Raises:
        UsageError: When it holds something and `overwrite` is not given, when it holds something that is no evaluation
            or an input, since nothing else may go with it, and when it cannot be made.
        ResourceError: When its disk is full.
    """
    folder = Path(folder)
    with writing_errors(folder):
        if folder.is_file():
            raise UsageError(f"{folder} is a file; name a folder for the results.")
        is_free = not folder.is_dir() or not any(folder.iterdir())
        if not is_free and not overwrite:
            raise UsageError(f"{folder} exists already. Add --overwrite to replace it, or choose another --output.")
        if not is_free and not (folder / "metrics.json").is_file():
            raise UsageError(
                f"{folder} holds something that is no evaluation, so it is not replaced. Choose another --output."
            )
        check_not_input(folder, inputs)
        check_writable(folder)
    return folder


def check_model_folder(model: str | Path, output: str | Path, *, overwrite: bool = False) -> Path:
    """Make sure that a folder may be written that is made of a model and is one itself.

    Args:
        model: The model's folder.
        output: The folder to write.
        overwrite: Whether a model that is there may be replaced.

    Returns:
        The output's path.

    Raises:
        UsageError: When it is the model itself or in it, when it holds something and `overwrite` is not given, when it
            holds something that is no model, and when it cannot be made.
        ResourceError: When its disk is full.
    """
    output = check_outside(model, output)
    with writing_errors(output):
        if not output.exists() or (output.is_dir() and not any(output.iterdir())):
            check_writable(output)
            return output
        if not overwrite:
            raise UsageError(f"{output} exists already. Add --overwrite to replace it, or choose another name.")
        if not (output / "overland.json").is_file():
            raise UsageError(f"{output} holds something that is no model, so it is not replaced. Choose another name.")
    return output


def check_outside(model: str | Path, output: str | Path) -> Path:
    """Make sure that an output is not the model that it is made of, nor in it.

    Args:
        model: The model's folder.
        output: The file or folder to write.

    Returns:
        The output's path.

    Raises:
        UsageError: When it is.
    """
    output = Path(output)
    if Path(model).resolve() in (output.resolve(), *output.resolve().parents):
        raise UsageError(f"{output} is the model itself, or in it; choose another output.")
    return output


def free_folder(folder: str | Path) -> Path:
    """Find a folder's name that is not taken.

    Args:
        folder: The name wished for.

    Returns:
        The name itself, or with the first number behind it that is free: `name`, `name2`, `name3`, ...
    """
    folder = Path(folder)
    names = chain([folder.name], (f"{folder.name}{number}" for number in count(2)))
    return next(path for path in map(folder.with_name, names) if not path.exists())


def fresh_path(path: Path, suffix: str = ".part") -> Path:
    """Make up a name next to a place that nobody has: leftovers of another run are never met under it.

    Args:
        path: The file or folder that is to be written.
        suffix: End of the name, for libraries that go by it.

    Returns:
        A path in the same folder, of letters and digits whatever the name was, so that no library reads a meaning into
        it, and never longer than 80 characters.
    """
    shown = re.sub(r"[^A-Za-z0-9_-]", "-", path.stem)[:_SHOWN_OF_NAME]
    return path.with_name(f"{shown}.{secrets.token_hex(4)}{suffix}")


@contextmanager
def fresh_file(path: Path, suffix: str = ".part") -> Iterator[Path]:
    """Give a fresh name for a file; what is written there takes the place of `path` at the end, after an error it goes.

    Args:
        path: The file that is to be written.
        suffix: End of the fresh name, for libraries that go by it.

    Yields:
        The fresh path, which does not exist yet.

    Raises:
        OverlandError: When it cannot be written; see `writing_errors`.
    """
    part = fresh_path(path, suffix)
    try:
        with writing_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield part
            fsync_file(part)
            replace_atomically(part, path)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


@contextmanager
def write_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder to write to; at the end it takes the place of `folder`, after an error it goes.

    Args:
        folder: The folder of results.

    Yields:
        The folder to write to.

    Raises:
        OverlandError: When it cannot be written; see `writing_errors`.
    """
    part, old = fresh_path(folder), fresh_path(folder, ".old")
    try:
        with writing_errors(folder):
            part.mkdir(parents=True)
            yield part
            if folder.exists():
                folder.rename(old)
            try:
                part.rename(folder)
            except OSError:
                if old.exists():
                    old.rename(folder)
                raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def write_text(path: str | Path, text: str) -> Path:
    """Write a text file, whole or not at all.

    Args:
        path: The file.
        text: Its text; line ends are kept.

    Returns:
        The path.

    Raises:
        OverlandError: When it cannot be written; see `writing_errors`.
    """
    path = Path(path)
    with fresh_file(path) as part:
        part.write_text(text, encoding="utf-8", newline="")
    return path


def write_table(path: str | Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Path:
    """Write rows as comma-separated UTF-8 with a header, whole or not at all.

    Args:
        path: The file.
        rows: Values by column; None and NaN become empty cells.
        columns: The columns in their order.

    Returns:
        The path.

    Raises:
        OverlandError: When it cannot be written; see `writing_errors`.
    """
    path = Path(path)
    with fresh_file(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([csv_cell(row[column]) for column in columns] for row in rows)
    return path


def csv_cell(value: Any) -> Any:
    """Return a cell of a table that no spreadsheet takes for a formula.

    Args:
        value: The value.

    Returns:
        The value; nothing for None and NaN; text that begins as a formula does gets an apostrophe before it, unless it
        is a number. Source: OWASP, CSV Injection.
    """
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        try:
            float(value)
        except ValueError:
            # The field's own remedy: spreadsheets do not show the apostrophe.
            return f"'{value}"
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else value


@contextmanager
def writing_errors(path: str | Path) -> Iterator[None]:
    """Turn errors of the system into one sentence about an output.

    Args:
        path: The file or folder that is written, as the user named it.

    Yields:
        Nothing; the work is done within.

    Raises:
        ResourceError: When disk, quota or memory is used up.
        UsageError: When the place cannot be written.
        DataError: For anything else that the system says.
    """
    try:
        yield
    except OSError as error:
        known = error_from_system(error, path)
        if known is None and error.errno is None:
            # A library's own error that only calls itself one of the system, as rasterio's does.
            raise
        raise known or DataError(f"{path} cannot be written ({error}).") from error


def reserve_room(path: Path, size: int) -> None:
    """Make a file of a size whose room on the disk is taken already.

    A file that is mapped into memory and has holes ends the whole process where the disk is full.

    Args:
        path: The file; it is made anew.
        size: Bytes.

    Raises:
        ResourceError: When the disk has not so much room.
    """
    with writing_errors(path), path.open("wb") as file:
        if size and hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)


def sha256_of(path: str | Path) -> str:
    """Compute the checksum of a file.

    Args:
        path: The file.

    Returns:
        SHA-256 in 64 hexadecimal digits.
    """
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fsync_file(path: Path) -> None:
    """Wait until a file's contents are on the disk.

    Args:
        path: The file.
    """
    # Windows refuses to flush a file that is open for reading alone.
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def replace_atomically(source: Path, target: Path) -> None:
    """Rename a file whose contents are on the disk already, and wait until the new name is there too.

    Args:
        source: The file.
        target: Its new name; a file of that name is replaced.
    """
    source.replace(target)
    if sys.platform == "win32":
        return
    handle = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def held_lock(path: Path) -> Iterator[bool]:
    """Hold the lock of a file. The system releases it when the process ends, however it ends.

    Args:
        path: The file, which is made if need be.

    Yields:
        True; False when another process holds it.
    """
    with path.open("a+b") as file:
        # The holder before may have removed the file meanwhile: then this lock guards nothing.
        yield _lock(file) and path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat())


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
