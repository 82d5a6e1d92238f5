"""Each server has a jobs folder, private and marked as its own; it clears away folders that dead servers left.

A server deletes folders: jobs that have expired, uploads that never became a job. It does so only in a folder that
holds `MARKER`, which it writes into an empty or new folder alone, and there only what its own names say is its own.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from overland.errors import UsageError
from overland.output import held_lock

__all__ = ["LOCK", "MARKER", "is_job_id", "new_job_id", "open_jobs_folder", "remove_stale_uploads", "upload_folder"]

MARKER = "overland-jobs.txt"
LOCK = "queue.lock"
_MARKER_TEXT = "Jobs of `overland serve` or `overland app`. The server deletes what has expired in this folder.\n"
_TEMPORARY = "overland-jobs-"
_UPLOAD = "upload-"
_ID_BYTES = 24
_ID = re.compile(r"[\w-]{32}", re.ASCII)


def open_jobs_folder(folder: Path | None, resources: ExitStack) -> Path:
    """Open the folder that a job queue keeps its jobs in, and lock it.

    Args:
        folder: A folder that is new, empty, or holds the marker of an earlier server; None for a temporary one. Of
            temporary ones, those that a killed server left behind are removed.
        resources: What is to be closed when the queue is: the lock, and a temporary folder with all that is in it.

    Returns:
        The absolute path of the folder, which only its owner may enter.

    Raises:
        UsageError: It is a file, holds anything else, cannot be written, or another server has it.
    """
    if folder is None:
        _remove_stale_folders()
        path = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix=_TEMPORARY))).resolve()
    else:
        path = _private_folder(folder)
    try:
        is_locked = resources.enter_context(held_lock(path / LOCK))
        if is_locked:
            # After the lock: whoever sees the marker and no lock may take the folder for left behind.
            (path / MARKER).write_text(_MARKER_TEXT, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be a folder for jobs ({error.strerror}).") from error
    if not is_locked:
        raise UsageError(f"{path} is in use by another server. Give each its own folder, or stop the other.")
    return path


def new_job_id() -> str:
    """Return a name for a job that cannot be guessed, 32 letters, digits, `-` and `_`."""
    return secrets.token_urlsafe(_ID_BYTES)


def is_job_id(name: str) -> bool:
    """Return whether a name is one that `new_job_id` may have given.

    Args:
        name: The name of a folder.
    """
    return _ID.fullmatch(name) is not None


def upload_folder(folder: Path, job_id: str) -> Path:
    """Make the private folder into which an upload is received; it is renamed when it has become a job.

    Args:
        folder: The jobs folder.
        job_id: The id of the job that it is to become.

    Returns:
        The new folder.
    """
    path = folder / f"{_UPLOAD}{job_id}"
    path.mkdir(mode=0o700)
    return path


def remove_stale_uploads(folder: Path, *, older_than_s: float = 0.0) -> None:
    """Remove uploads that never became a job.

    Args:
        folder: The jobs folder.
        older_than_s: Uploads that were begun later than so many seconds ago stay, they may be on their way.
    """
    for path in folder.glob(f"{_UPLOAD}*"):
        # It may have become a job since it was listed.
        with suppress(OSError):
            if is_job_id(path.name.removeprefix(_UPLOAD)) and time.time() - path.stat().st_mtime >= older_than_s:
                shutil.rmtree(path, ignore_errors=True)


def _private_folder(path: Path) -> Path:
    if path.is_dir() and any(path.iterdir()) and not (path / MARKER).is_file():
        raise UsageError(
            f"{path} holds something that is not a server's: it has no {MARKER}. A server deletes expired jobs in its "
            "folder; name an empty or a new one."
        )
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
    except OSError as error:
        raise UsageError(f"{path} cannot be a folder for jobs ({error.strerror}).") from error
    return path.resolve()


def _remove_stale_folders() -> None:
    """Remove temporary folders whose server was killed: they are marked, and nobody holds their lock."""
    for path in Path(tempfile.gettempdir()).glob(f"{_TEMPORARY}*"):
        try:
            is_own = not hasattr(os, "getuid") or path.lstat().st_uid == os.getuid()
            if path.is_symlink() or not (path / MARKER).is_file() or not is_own:
                continue
            with held_lock(path / LOCK) as is_free:
                if is_free:
                    shutil.rmtree(path, ignore_errors=True)
        except OSError:
            # Another server removes it at this moment, or it belongs to somebody else.
            continue
