"""The errors that Overland raises, and the exit code each one gives on the command line.

    OverlandError            1  anything that went wrong and was foreseen
    ├── UsageError           2  an option, a setting or a combination that makes no sense
    │   └── MissingExtraError   a part of Overland that is not installed
    ├── DataError            3  input that cannot be used as it is
    ├── AccessError          4  credentials or network
    └── ResourceError        5  disk or memory is used up

A message says what was asked, what was found, and what to try.
"""

from __future__ import annotations

import importlib
from types import ModuleType

__all__ = [
    "AccessError",
    "DataError",
    "MissingExtraError",
    "OverlandError",
    "ResourceError",
    "UsageError",
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

    Raises `MissingExtraError` with the exact pip command when it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        top = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] not in {top, module}:
            raise
        command = f"pip install 'overland[{extra}]'"
        raise MissingExtraError(f"{purpose} needs {top}, which is not installed: {command}") from None
