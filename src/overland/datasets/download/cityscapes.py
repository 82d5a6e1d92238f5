"""Cityscapes, through csDownload: the command of its own authors, which asks for the account that is needed."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from overland.datasets.download.lines import LogLines
from overland.errors import AccessError, ResourceError

__all__ = ["download_cityscapes"]

logger = logging.getLogger("overland")

_COMMAND = "csDownload"
_SHOWN = 200
_ACCOUNT = "https://www.cityscapes-dataset.com/register/"


def download_cityscapes(packages: Sequence[str], folder: Path) -> list[Path]:
    """Download packages such as "gtFine_trainvaltest.zip" into a folder; whole ones are kept, parts continued.

    csDownload checks the MD5. It asks for name and password on the terminal unless it has them stored; we never see
    them. Raises `AccessError` when the command is not installed or does not succeed.
    """
    command = shutil.which(_COMMAND)
    if command is None:
        raise AccessError(
            f"Cityscapes needs the command {_COMMAND}, which is not installed: pip install cityscapesscripts, and "
            f"an account from {_ACCOUNT}."
        )
    folder.mkdir(parents=True, exist_ok=True)
    return [_package(command, name, folder) for name in packages]


def _package(command: str, name: str, folder: Path) -> Path:
    target = folder / name
    if zipfile.is_zipfile(target):
        # A zip's table of contents stands at its end: it is whole.
        return target
    logger.info("%s downloads %s; an account is needed: %s", _COMMAND, name, _ACCOUNT)
    resume = ["--resume"] if target.exists() else []
    code, said = _run([command, "-d", str(folder), *resume, name])
    if code:
        _failed(name, folder, said)
    if not zipfile.is_zipfile(target):
        raise AccessError(f"{_COMMAND} ended without an error and {target} is no zip file. Run this again.")
    return target


def _run(arguments: Sequence[str]) -> tuple[int, str]:
    """Run a command; returns its exit code and the last line that it wrote to stderr."""
    is_asked = sys.stdin is not None and sys.stdin.isatty()
    lines, last = LogLines(), ""
    with subprocess.Popen(
        arguments,
        stdin=None if is_asked else subprocess.DEVNULL,
        stdout=sys.__stderr__,  # ours is for results alone
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        assert process.stderr is not None
        # Read as text, each redrawing of a bar is a line.
        for line in filter(None, map(str.strip, process.stderr)):
            last = line
            if "%|" in line:
                lines.write(line)
    return process.returncode, last


def _failed(name: str, folder: Path, why: str) -> None:
    if "No space left" in why:
        raise ResourceError(f"The disk of {folder} is full. What has arrived is kept: make room and run this again.")
    raise AccessError(
        f"{_COMMAND} could not download {name} ({why[:_SHOWN] or 'it said nothing'}). "
        f"Run `{_COMMAND} -l` once to log in and let it store the account."
    )
