"""Archives from strangers: looked through before a byte is unpacked; only the dataset in them is taken.

The room on the disk is asked for before, and said plainly when it is gone.
"""

from __future__ import annotations

import errno
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, NoReturn

from overland.errors import DataError, ResourceError
from overland.progress import track

__all__ = [
    "MOST_BYTES",
    "MOST_MEMBERS",
    "MOST_RATIO",
    "check_space",
    "full_disk_as_error",
    "unpack_archive",
]


_FULL = {errno.ENOSPC, errno.EDQUOT}


def check_space(folder: Path, needed_bytes: float, what: str) -> None:
    """Make sure that the disk of a folder has room.

    Args:
        folder: The folder, which need not exist yet.
        needed_bytes: Room that is needed.
        what: Subject of the message.

    Raises:
        ResourceError: It has less.
    """
    parent = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(parent).free
    if free < needed_bytes:
        raise ResourceError(
            f"{what} needs about {needed_bytes / 1e9:.3g} GB and the disk of {folder} has {free / 1e9:.3g} GB free. "
            "Make room, or choose a folder on another disk with --output."
        )


@contextmanager
def full_disk_as_error(folder: Path) -> Iterator[None]:
    """Turn the system's "no space left" into an error that says how to go on.

    Args:
        folder: The folder that is written to.

    Yields:
        Nothing; the work is done within.

    Raises:
        ResourceError: The disk is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise ResourceError(
            f"The disk of {folder} is full. What has arrived is kept: make room and run this again to go on."
        ) from error


# Far above any dataset that is known here, far below what fills a disk by malice.
MOST_MEMBERS = 200_000
MOST_BYTES = 200e9
MOST_RATIO = 100.0

_CHUNK = 1 << 20
_MEGA = 1e6
_ENCRYPTED = 0x1
_UNSAFE = re.compile(r"^[A-Za-z]:|^/|\\|\x00")
_SHOWN = 6
# The last three: a compression that nobody publishes in, and a file where a folder should be.
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    EOFError,
    NotImplementedError,
    NotADirectoryError,
    IsADirectoryError,
)


@dataclass(frozen=True)
class _Member:
    name: str
    size: int
    kind: int
    is_encrypted: bool
    open: Callable[[], IO[bytes]]


def unpack_archive(archive: Path, folder: Path, marks: Sequence[str]) -> None:
    """Unpack the dataset in a zip or tar file, without the folders that enclose it there.

    The dataset's root is the highest folder in the archive that holds one of the marks.

    Args:
        archive: The file.
        folder: The folder to unpack to.
        marks: Names of which one lies at the dataset's root.

    Raises:
        DataError: Before anything is written, for a path that leaves the folder, a link, a device, encryption, more
            than `MOST_MEMBERS` members, `MOST_BYTES` or `MOST_RATIO` times the archive's size, and for an archive
            without the marks; during the work, when the archive is damaged.
        ResourceError: The disk has no room.
    """
    with _members(archive, folder) as members, full_disk_as_error(folder):
        total, packed = sum(member.size for member in members), archive.stat().st_size
        if len(members) > MOST_MEMBERS:
            _refuse(archive, f"it holds more than {MOST_MEMBERS} files")
        if total > MOST_BYTES:
            _refuse(archive, f"unpacked it would take {total / 1e9:.4g} GB, more than {MOST_BYTES / 1e9:.4g}")
        if total > MOST_RATIO * packed:
            _refuse(
                archive, f"unpacked it would be {total / packed:.3g} times as large, more than {MOST_RATIO:.3g} times"
            )
        for member in members:
            if _UNSAFE.search(member.name) or ".." in PurePosixPath(member.name).parts:
                _refuse(archive, f"the path {member.name!r} could lead out of the folder")
            if member.kind not in (0, stat.S_IFREG):
                _refuse(archive, f"{member.name!r} is a link or a device, not a file")
            if member.is_encrypted:
                _refuse(archive, f"{member.name!r} is encrypted")
        root = _root(archive, [member.name for member in members], marks)
        wanted = [(member, member.name[len(root) :]) for member in members if member.name.startswith(root)]
        total = sum(member.size for member, _ in wanted)
        check_space(folder, total, f"{archive.name}, unpacked,")
        with track(f"Unpack {archive.name}", max(total / _MEGA, 1e-6), "MB") as advance:
            for member, name in wanted:
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with member.open() as source, path.open("wb") as file:
                    shutil.copyfileobj(source, file, _CHUNK)
                advance(member.size / _MEGA)


@contextmanager
def _members(archive: Path, folder: Path) -> Iterator[list[_Member]]:
    try:
        with ExitStack() as stack:
            if not archive.is_file():
                raise DataError(f"{archive} does not exist; name the file as it was downloaded.")
            if zipfile.is_zipfile(archive):
                file = stack.enter_context(zipfile.ZipFile(archive))
                yield [
                    _Member(
                        info.orig_filename,
                        info.file_size,
                        stat.S_IFMT(info.external_attr >> 16),
                        bool(info.flag_bits & _ENCRYPTED),
                        lambda info=info: file.open(info),  # type: ignore[misc]
                    )
                    for info in file.infolist()
                    if not info.is_dir() and not info.filename.startswith("__MACOSX/")
                ]
            elif tarfile.is_tarfile(archive):
                tar = stack.enter_context(tarfile.open(archive))
                found: list[_Member] = []
                total, packed = 0, archive.stat().st_size
                for info in tar:
                    if info.isdir():
                        continue
                    try:
                        kind = stat.S_IFREG if tarfile.data_filter(info, str(folder)).isreg() else stat.S_IFLNK
                    except tarfile.FilterError as error:
                        _refuse(archive, str(error))
                    found.append(_Member(info.name, info.size, kind, False, lambda info=info: tar.extractfile(info)))  # type: ignore[misc, arg-type]
                    total += info.size
                    if len(found) > MOST_MEMBERS or total > MOST_RATIO * packed:
                        # Enough to be refused; the rest need not be decompressed.
                        break
                yield found
            else:
                raise DataError(f"{archive} is no zip or tar file, or only a part of one. Download it again.")
    except _DAMAGE as error:
        raise DataError(f"{archive} is damaged ({error}). Download it again.") from error


def _refuse(archive: Path, why: str) -> NoReturn:
    raise DataError(f"{archive} is not unpacked: {why}. Get the archive from where the dataset is published.")


def _root(archive: Path, names: Sequence[str], marks: Sequence[str]) -> str:
    """Return the path, with a slash at its end or empty, of the highest folder that holds a mark."""
    paths = [PurePosixPath(name).parts for name in names]
    roots = {parts[: parts.index(mark)] for parts in paths for mark in marks if mark in parts}
    if not roots:
        top = sorted({parts[0] for parts in paths})
        shown = ", ".join(top[:_SHOWN]) + (f" and {len(top) - _SHOWN} more" if len(top) > _SHOWN else "")
        raise DataError(
            f"{archive} does not hold this dataset: looked for {' or '.join(marks)}, found {shown or 'nothing'}. "
            "Name the archive as it was downloaded."
        )
    return "".join(f"{part}/" for part in min(roots, key=lambda root: (len(root), root)))
