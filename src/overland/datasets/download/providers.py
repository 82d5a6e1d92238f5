"""Downloads through the providers' own clients: kagglehub for Kaggle, csDownload for Cityscapes.

Both resume, and check the MD5 that the provider names.

kagglehub resumes only in a cache folder: given an `output_dir`, it refuses or clears a folder that holds a part. So its
cache is our folder of work in progress. It also unpacks, with Python's zipfile, which keeps every path in the folder
and makes no links; our caps on size hold for archives that come another way. `kaggle`, the other client, logs in when
it is imported, and is not used.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from overland.datasets.download.fetch import Interrupted, LogLines, keep_trying
from overland.datasets.download.unpack import full_disk_as_error
from overland.errors import AccessError, ResourceError, import_extra

__all__ = [
    "SETTINGS_PAGE",
    "download_cityscapes",
    "download_kaggle",
]


logger = logging.getLogger(__name__)

SETTINGS_PAGE = "https://www.kaggle.com/settings"
_PASSING = {408, 429, 500, 502, 503, 504}


def download_kaggle(slug: str, folder: Path) -> tuple[Path, str]:
    """Download and unpack the newest version of a dataset of Kaggle, and continue an earlier run.

    Args:
        slug: Kaggle's name of the dataset, such as owner/name.
        folder: Folder of the work in progress.

    Returns:
        The folder with the dataset's files, which lies in `folder`, and the version.

    Raises:
        AccessError: Kaggle refuses, does not know the dataset or cannot be reached. No message holds credentials, nor
            a signed address.
        ResourceError: The disk is full.
        MissingExtraError: kagglehub is not installed.
    """
    with _environment({"KAGGLEHUB_CACHE": str(folder), "DISABLE_KAGGLE_CACHE": "1", "DISABLE_COLAB_CACHE": "1"}):
        with redirect_stdout(sys.stderr):
            kagglehub = import_extra("kagglehub", "data", "Downloading from Kaggle")
        try:
            with full_disk_as_error(folder):
                path = keep_trying(
                    lambda: _download(kagglehub, slug, folder),
                    lambda: sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
                )
        except Interrupted as error:
            raise AccessError(
                f"Kaggle did not deliver {slug}: {error}. What has arrived is kept; run this again to go on."
            ) from None
    return Path(path), Path(path).name


def _download(kagglehub: Any, slug: str, folder: Path) -> str:
    requests = import_extra("requests", "data", "Downloading from Kaggle")
    corrupted = import_extra("kagglehub.exceptions", "data", "Downloading from Kaggle").DataCorruptionError
    theirs = logging.getLogger("kagglehub")
    try:
        # Keeps stdout clean, and shows kagglehub's bar on a terminal, else one line every ten seconds.
        with ExitStack() as stack:
            stack.callback(theirs.setLevel, theirs.level)
            theirs.setLevel(logging.WARNING)
            if not sys.stderr.isatty() or not logger.isEnabledFor(logging.INFO):
                stack.enter_context(redirect_stderr(LogLines()))
            stack.enter_context(redirect_stdout(sys.stderr))
            return str(kagglehub.dataset_download(slug))
    except requests.HTTPError as error:
        status = error.response.status_code
        if status in _PASSING:
            raise Interrupted(f"HTTP {status}") from None
        why = {
            401: "the credentials are not valid",
            403: "access is not allowed",
            404: "there is no such dataset, or it is private",
        }.get(status, "refused")
        raise AccessError(f"Kaggle does not hand out {slug}: HTTP {status}, {why}. {_where_credentials()}") from None
    except requests.RequestException as error:
        # The text of these errors holds the whole address, signature included.
        raise Interrupted(type(error).__name__) from None
    except corrupted:
        raise Interrupted("the bytes do not have the MD5 that Kaggle names") from None
    except (zipfile.BadZipFile, tarfile.TarError, ValueError) as error:
        if "credentials" in str(error):
            # kagglehub's way to say that kaggle.json cannot be used; its text names the file, never what is in it.
            raise AccessError(f"{error}. {_where_credentials()}") from None
        for archive in folder.rglob("*.archive"):
            archive.unlink()
        raise Interrupted("what arrived is no whole archive") from None


def _where_credentials() -> str:
    # The places where kagglehub looks, in its order, and whether anything is there.
    home = Path.home() / ".kaggle"
    table = Path(os.environ.get("KAGGLE_CONFIG_DIR", home)) / "kaggle.json"
    table_name = "~/.kaggle/kaggle.json" if table.parent == home else f"{table} (KAGGLE_CONFIG_DIR)"
    places = {
        "KAGGLE_API_TOKEN": bool(os.environ.get("KAGGLE_API_TOKEN")),
        "~/.kaggle/access_token": (home / "access_token").exists() or (home / "access_token.txt").exists(),
        "KAGGLE_USERNAME with KAGGLE_KEY": bool(os.environ.get("KAGGLE_USERNAME") and os.environ.get("KAGGLE_KEY")),
        table_name: table.exists(),
    }
    found = [place for place, is_there in places.items() if is_there]
    return (
        f"Looked for credentials in {', '.join(places)}; found {', '.join(found) or 'none'}. "
        f"Make a token at {SETTINGS_PAGE} and set KAGGLE_API_TOKEN to it."
    )


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


_COMMAND = "csDownload"
_SHOWN = 200
_ACCOUNT = "https://www.cityscapes-dataset.com/register/"


def download_cityscapes(packages: Sequence[str], folder: Path) -> list[Path]:
    """Download packages of Cityscapes; whole ones are kept, parts continued.

    csDownload asks for name and password on the terminal unless it has them stored; we never see them.

    Args:
        packages: Names such as "gtFine_trainvaltest.zip".
        folder: The folder for them.

    Returns:
        The files.

    Raises:
        AccessError: The command is not installed or does not succeed.
        ResourceError: The disk is full.
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
    path = folder / name
    if zipfile.is_zipfile(path):
        # A zip's table of contents stands at its end: it is whole.
        return path
    logger.info("%s downloads %s; an account is needed: %s", _COMMAND, name, _ACCOUNT)
    resume = ["--resume"] if path.exists() else []
    # Without a terminal there is nobody to be asked for the account.
    is_asked = sys.stdin is not None and sys.stdin.isatty()
    lines, said = LogLines(), ""
    with subprocess.Popen(
        [command, "-d", str(folder), *resume, name],
        stdin=None if is_asked else subprocess.DEVNULL,
        stdout=sys.__stderr__,  # ours is for results alone
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        assert process.stderr is not None
        # Read as text, each redrawing of a bar is a line; the last line says why the command failed.
        for line in filter(None, map(str.strip, process.stderr)):
            said = line
            if "%|" in line:
                lines.write(line)
    if process.returncode:
        if "No space left" in said:
            raise ResourceError(
                f"The disk of {folder} is full. What has arrived is kept: make room and run this again."
            )
        raise AccessError(
            f"{_COMMAND} could not download {name} ({said[:_SHOWN] or 'it said nothing'}). "
            f"Run `{_COMMAND} -l` once to log in and let it store the account."
        )
    if not zipfile.is_zipfile(path):
        raise AccessError(f"{_COMMAND} ended without an error and {path} is no zip file. Run this again.")
    return path
