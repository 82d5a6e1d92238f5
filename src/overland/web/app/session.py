"""What belongs to one visit: its private folder, its uploads and their jobs; all of it goes when the visit ends."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from overland.bundle import ModelBundle
from overland.web.app.results import Result

__all__ = [
    "Session",
    "Upload",
    "Watch",
]


_PREFIX = "overland-session-"


@dataclass
class Upload:
    """An image that was sent: its name, its model, its job (of the JobQueue), and the result once there is one."""

    name: str
    model: str
    bundle: ModelBundle
    job: Any
    result: Result | None = None

    def finish(self, folder: Path) -> Result | None:
        """The result when the job is done."""
        if self.result is None and self.job.state == "done":
            place = Path(self.job.folder)
            scores = place / "scores.tif"
            self.result = Result(
                self.name,
                self.model,
                self.bundle,
                place / "image.tif",
                place / "mask.tif",
                scores if scores.exists() else None,
                folder,
                self.job.values,
            )
        return self.result


@dataclass(eq=False)
class Session:
    """One visit.

    `uploads` are by the id of the file and the model; `refused` has the name of each file not taken, and why.
    """

    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix=_PREFIX)))
    uploads: dict[tuple[str, str], Upload] = field(default_factory=dict)
    refused: dict[tuple[str, str], tuple[str, Exception]] = field(default_factory=dict)
    examples: dict[str, Result] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Whatever forgets a visit first, the watch or Streamlit or the end of the server, its files go.
        self._end = weakref.finalize(self, _clear, self.folder, self.uploads)

    @property
    def is_open(self) -> bool:
        """Whether the visit has not been closed."""
        return self._end.alive

    def close(self) -> None:
        """End the visit and remove its files."""
        self._end()

    def example(self, shared: Result) -> Result:
        """The example for this visit: the shared map, with what the visitor makes of it in the visit's own folder."""
        if shared.model not in self.examples:
            self.examples[shared.model] = Result(
                shared.name, shared.model, shared.bundle, shared.image, shared.mask, shared.scores, self.folder,
                shared.values,
            )  # fmt: skip
        return self.examples[shared.model]

    def name_of(self, key: tuple[str, str] | None) -> str:
        """What a visitor called an image; None is the example."""
        if key is None:
            return "Example"
        return self.refused[key][0] if key in self.refused else self.uploads[key].name

    def drop(self, key: tuple[str, str]) -> None:
        """Forget an upload and remove its files."""
        upload = self.uploads.pop(key, None)
        if upload is not None:
            upload.job.delete()


def _clear(folder: Path, uploads: Mapping[tuple[str, str], Upload]) -> None:
    for upload in uploads.values():
        upload.job.delete()
    shutil.rmtree(folder, ignore_errors=True)


# The watch over visits: some time after a page was closed, everything of its visit goes.
#
# Streamlit drops the state of a session that is over when the next one comes, which may be tomorrow.

_GRACE_S = 150.0
_LOOK_EVERY_S = 5.0


class Watch:
    """A thread that closes the sessions whose page has been closed for longer than Streamlit lets one come back.

    `is_open` says of a session's id whether its page is open.
    """

    def __init__(
        self, is_open: Callable[[str], bool], *, grace_s: float = _GRACE_S, look_every_s: float = _LOOK_EVERY_S
    ) -> None:
        self._is_open, self._grace_s, self._look_every_s = is_open, grace_s, look_every_s
        self._sessions: dict[str, weakref.ref[Session]] = {}
        self._seen_s: dict[str, float] = {}
        self._stopping = threading.Event()
        threading.Thread(target=self._look, daemon=True).start()

    def add(self, id: str, session: Session) -> None:
        """Watch over a session."""
        self._seen_s[id] = time.monotonic()
        self._sessions[id] = weakref.ref(session)

    def stop(self) -> None:
        """Close every session and look no more."""
        self._stopping.set()
        for id in list(self._sessions):
            self._close(id)

    def _look(self) -> None:
        while not self._stopping.wait(self._look_every_s):
            now = time.monotonic()
            for id in list(self._sessions):
                if self._is_open(id):
                    self._seen_s[id] = now
                elif now - self._seen_s[id] > self._grace_s:
                    self._close(id)

    def _close(self, id: str) -> None:
        session = self._sessions.pop(id)()
        self._seen_s.pop(id, None)
        if session is not None:
            session.close()
