"""One file over HTTPS: resumed where it broke off, checked, whole under its name or not there.

Written by hand, for no library that is kept up does it: pooch and fsspec start anew after a cut, and none asks the
server whether the file is still the same (If-Range) before it joins two halves. Kaggle's files come through Kaggle's
own client (`providers.py`), which resumes.
"""

from __future__ import annotations

import http.client
import io
import json
import logging
import os
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from overland.datasets.download.unpack import check_space, full_disk_as_error
from overland.errors import AccessError, UsageError
from overland.output import sha256_of
from overland.progress import track

__all__ = [
    "PAUSES_S",
    "Interrupted",
    "LogLines",
    "fetch_file",
    "keep_trying",
]


logger = logging.getLogger(__name__)

_LINE_EVERY_S = 10.0


class LogLines(io.TextIOBase):
    """A text stream that logs its newest line: bars of other programs become a line now and then.

    Args:
        every_s: Seconds between two lines at least.
    """

    def __init__(self, every_s: float = _LINE_EVERY_S) -> None:
        self.every_s = every_s
        self.last = time.monotonic()

    def writable(self) -> bool:
        """Tell that the stream can be written to."""
        return True

    def write(self, text: str) -> int:
        """Take a piece of text, which may redraw the line before it.

        Args:
            text: The text.

        Returns:
            Its length.
        """
        line = text.strip()
        if line and time.monotonic() - self.last >= self.every_s:
            self.last = time.monotonic()
            logger.info("%s", line)
        return len(text)


Done = TypeVar("Done")

# Seconds before each further try; a try that brings bytes starts the list anew.
PAUSES_S = [1.0, 3.0, 10.0, 30.0]
_TRIES_FOR_A_START = 2


class Interrupted(Exception):  # noqa: N818 - no fault in itself: the work goes on
    """A transfer broke off for a reason that may pass; its text says why, without addresses."""


def keep_trying(work: Callable[[], Done], arrived: Callable[[], int]) -> Done:
    """Repeat work that ends in `Interrupted`, until it is done or several tries in a row brought nothing.

    Args:
        work: The work.
        arrived: Counts the bytes so far; while there are none, patience is short, for nothing is lost.

    Returns:
        What the work returns.

    Raises:
        Interrupted: The last try broke off.
    """
    before, failed = arrived(), 0
    while True:
        try:
            return work()
        except Interrupted as error:
            now = arrived()
            failed = 1 if now > before else failed + 1
            before = now
            if failed > (len(PAUSES_S) if now else _TRIES_FOR_A_START):
                raise
            pause = PAUSES_S[failed - 1]
            logger.info("The download broke off (%s); it goes on in %.3g s.", error, pause)
            time.sleep(pause)


_CHUNK = 1 << 20
_TIMEOUT_S = 30
_PASSING = {408, 429, 500, 502, 503, 504}
_MEGA = 1e6


class _Answer(Protocol):
    status: int
    headers: Mapping[str, str]

    def read(self, amount: int, /) -> bytes: ...


@dataclass(frozen=True)
class _Transfer:
    url: str
    part: Path
    opener: urllib.request.OpenerDirector
    about_bytes: float

    @property
    def notes(self) -> Path:
        """The file that remembers which version the part is of."""
        return self.part.with_name(self.part.name + ".json")

    def arrived(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0


def fetch_file(
    url: str,
    path: Path,
    *,
    sha256: str | None = None,
    about_bytes: float = 0.0,
    schemes: Sequence[str] = ("https",),
) -> str:
    """Download a file; a part that an earlier run left is continued.

    The server is asked for the rest only if the file is still the same (Range with If-Range); else it starts anew.

    Args:
        url: Address of the file.
        path: The file to write.
        sha256: Checksum that it must have, in hexadecimal digits.
        about_bytes: Size for the progress bar where the server names none.
        schemes: Schemes that are allowed for the address and for where it leads.

    Returns:
        The SHA-256 of the file, in hexadecimal digits.

    Raises:
        AccessError: The server refuses, does not answer or sends other bytes than `sha256` says.
        ResourceError: The disk is full.
        UsageError: The address has another scheme.
    """
    _check_scheme(url, schemes)
    opener = urllib.request.build_opener(_Redirects(schemes))
    transfer = _Transfer(url, path.with_name(path.name + ".part"), opener, about_bytes)
    try:
        with full_disk_as_error(path.parent):
            keep_trying(lambda: _continue(transfer), transfer.arrived)
    except Interrupted as error:
        raise AccessError(
            f"{_shown(url)} could not be downloaded: {error}. What has arrived is kept; run this again to go on."
        ) from None
    found = sha256_of(transfer.part)
    if sha256 is not None and found != sha256:
        transfer.part.unlink()
        transfer.notes.unlink()
        raise AccessError(
            f"{_shown(url)} arrived damaged or changed: its SHA-256 is {found} and should be {sha256}. Run this again."
        )
    transfer.part.replace(path)
    transfer.notes.unlink()
    return found


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects only to the schemes that the first URL may have."""

    def __init__(self, schemes: Sequence[str]) -> None:
        self.schemes = schemes

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        _check_scheme(newurl, self.schemes)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check_scheme(url: str, schemes: Sequence[str]) -> None:
    if urlsplit(url).scheme not in schemes:
        raise UsageError(f"{_shown(url)} is not downloaded: only {', '.join(schemes)} is safe from changes on the way.")


def _shown(url: str) -> str:
    # Queries may hold signatures.
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}{parts.path}"


def _continue(transfer: _Transfer) -> None:
    done = transfer.arrived()
    version = None
    if done and transfer.notes.is_file():
        notes = json.loads(transfer.notes.read_text(encoding="utf-8"))
        version = notes["version"] if notes["url"] == transfer.url else None
    headers = {"User-Agent": "overland", "Accept-Encoding": "identity"}
    if version:
        headers |= {"Range": f"bytes={done}-", "If-Range": version}
    try:
        with transfer.opener.open(urllib.request.Request(transfer.url, headers=headers), timeout=_TIMEOUT_S) as answer:
            _store(answer, transfer, done if version else 0)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:
            if error.headers.get("Content-Range") == f"bytes */{transfer.arrived()}":
                return
            transfer.part.unlink()
            raise Interrupted("the part that was there is longer than the file") from None
        if error.code in _PASSING:
            raise Interrupted(f"HTTP {error.code}") from None
        raise AccessError(
            f"{_shown(transfer.url)} was refused with HTTP {error.code}; open the address in a browser to see why."
        ) from None
    except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(cause, OSError) and cause.strerror:
            raise Interrupted(cause.strerror) from None
        raise Interrupted(type(cause).__name__ if isinstance(cause, Exception) else str(cause)) from None


def _store(answer: _Answer, transfer: _Transfer, asked_from: int) -> None:
    # The place where the bytes of the answer begin, and the length of the whole file where that is said.
    start, total = 0, None
    if answer.status == 206:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("Content-Range", ""))
        if found is None or int(found[1]) != asked_from:
            raise Interrupted("the server sent another part than it was asked for")
        start, total = asked_from, int(found[2])
    elif length := answer.headers.get("Content-Length"):
        total = int(length)
    transfer.part.parent.mkdir(parents=True, exist_ok=True)
    if start == 0:
        tag = answer.headers.get("ETag")
        # A weak tag allows other bytes, so that it must not join two halves.
        version = tag if tag and not tag.startswith("W/") else None
        transfer.notes.write_text(json.dumps({"url": transfer.url, "version": version}), encoding="utf-8")
    if total is not None:
        check_space(transfer.part.parent, total - start, _shown(transfer.url))
    expected = total or max(transfer.about_bytes, 1.0)
    with (
        track(f"Download {transfer.part.stem}", expected / _MEGA, "MB") as advance,
        transfer.part.open("r+b" if start else "wb") as file,
    ):
        file.seek(start)
        advance(start / _MEGA)
        while chunk := answer.read(_CHUNK):
            file.write(chunk)
            advance(len(chunk) / _MEGA)
        file.truncate()
        os.fsync(file.fileno())
        written = file.tell()
    if total is not None and written != total:
        raise Interrupted(f"{written} of {total} bytes arrived")
