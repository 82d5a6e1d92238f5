"""The errors that Overland raises, and the exit code each one gives on the command line.

    OverlandError            1  anything that went wrong and was foreseen
    ├── UsageError           2  an option, a setting or a combination that makes no sense
    │   └── MissingExtraError   a part of Overland that is not installed
    ├── DataError            3  input that cannot be used as it is
    ├── AccessError          4  credentials or network
    └── ResourceError        5  disk or memory is used up

A message says what was asked, what was found, and what to try. Errors of the system (a full disk, a folder without
rights) become one of these in one place, `error_from_system`.
"""

from __future__ import annotations

import errno
import importlib
from pathlib import Path
from types import ModuleType

__all__ = [
    "AccessError",
    "DataError",
    "MissingExtraError",
    "OverlandError",
    "ResourceError",
    "UsageError",
    "error_from_system",
    "import_extra",
]


class OverlandError(Exception):
    """Base of every error that Overland raises on purpose."""

    exit_code = 1


class UsageError(OverlandError):
    """An option, a setting or a combination of them that makes no sense."""

    exit_code = 2


class MissingExtraError(UsageError):
    """A part of Overland was asked for that is not installed."""


class DataError(OverlandError):
    """Input that cannot be used as it is."""

    exit_code = 3


class AccessError(OverlandError):
    """Credentials were refused or the network did not answer."""

    exit_code = 4


class ResourceError(OverlandError):
    """Disk space or memory is used up."""

    exit_code = 5


def import_extra(module: str, extra: str, purpose: str) -> ModuleType:
    """Import a module that belongs to an optional extra.

    Args:
        module: Name of the module, such as `openvino`.
        extra: Name of the extra of Overland that installs it.
        purpose: The work that needs it, as the subject of a sentence: "The service".

    Returns:
        The module.

    Raises:
        MissingExtraError: It is not installed; the message holds the exact pip command.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        top = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] not in {top, module}:
            raise
        command = f"pip install 'overland[{extra}]'"
        raise MissingExtraError(f"{purpose} needs {top}, which is not installed: {command}") from None


# Error numbers of the system: the error that each becomes, and its sentence about a path.
_SYSTEM_ERRORS: dict[int, tuple[type[OverlandError], str]] = {
    errno.ENOSPC: (ResourceError, "the disk is full. Free some space, or write to another disk."),
    errno.EDQUOT: (ResourceError, "the disk quota is used up. Free some space, or write to another disk."),
    errno.EFBIG: (ResourceError, "the file system takes no file of that size. Write to another disk."),
    errno.ENOMEM: (ResourceError, "out of memory."),
    errno.EMFILE: (ResourceError, "too many files are open. Raise the limit (ulimit -n) or use fewer inputs."),
    errno.ENFILE: (ResourceError, "too many files are open on this machine."),
    errno.EIO: (ResourceError, "the disk reports an error of its own when it is read or written."),
    errno.EROFS: (UsageError, "its file system is read-only. Choose another place."),
    errno.EACCES: (UsageError, "permission is denied. Choose another place, or change its rights."),
    errno.EPERM: (UsageError, "the system does not permit it. Choose another place."),
    errno.ENAMETOOLONG: (UsageError, "the name is too long for its file system. Choose a shorter one."),
    errno.ENOENT: (UsageError, "there is no such file or folder."),
    errno.ENOTDIR: (UsageError, "a part of this path is a file, where a folder is needed."),
    errno.EISDIR: (UsageError, "it is a folder, where a file is needed."),
    errno.EEXIST: (UsageError, "it exists already."),
    errno.ENOTEMPTY: (UsageError, "the folder is not empty."),
    errno.EBUSY: (UsageError, "another program uses it."),
    errno.ETXTBSY: (UsageError, "another program uses it."),
    errno.ELOOP: (UsageError, "its symbolic links lead in a circle."),
    errno.EXDEV: (UsageError, "it cannot be moved from one disk to another."),
    errno.EINVAL: (UsageError, "the system does not take this name or this place."),
    errno.ENXIO: (UsageError, "it is no regular file."),
    errno.ENODEV: (UsageError, "it is no regular file."),
}


def error_from_system(error: OSError, path: str | Path | None = None) -> OverlandError | None:
    """Turn an error of the system into one of Overland's, with a sentence and an exit code.

    Args:
        error: The system's error.
        path: The file or folder that was read or written; by default the one that the error names.

    Returns:
        `ResourceError` for a disk, quota or memory that is used up, `UsageError` for a place that cannot be read or
        written, `AccessError` for a connection that failed, and None for anything else, which is a fault of Overland.
    """
    if isinstance(error, ConnectionError | TimeoutError) and not isinstance(error, BrokenPipeError):
        return AccessError(f"The connection failed ({error}). Check the network and try again.")
    known = _SYSTEM_ERRORS.get(error.errno or 0)
    if known is None:
        return None
    kind, sentence = known
    name = path if path is not None else error.filename2 or error.filename
    return kind(f"{name}: {sentence}" if name else sentence[0].upper() + sentence[1:])
