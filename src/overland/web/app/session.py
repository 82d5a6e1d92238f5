"""Sessions: the private folder, the uploads and the jobs of one page, all of which go when its session ends."""

from __future__ import annotations

import shutil
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from overland.bundle import ModelBundle
from overland.web.app.results import Cache, MappedImage
from overland.web.jobs.job import Job

__all__ = [
    "Session",
    "SessionWatch",
    "Upload",
]


# Longer than Streamlit lets a page that was cut off come back.
_GRACE_S = 150.0
_LOOK_EVERY_S = 5.0


@dataclass
class Upload:
    """An image that was sent.

    Args:
        name: Name that the user gave it.
        model: Name of the model.
        bundle: The model.
        job: The job of the queue.
        result: The result, once there is one.
    """

    name: str
    model: str
    bundle: ModelBundle
    job: Job
    result: MappedImage | None = None

    def finish(self, folder: Path) -> MappedImage | None:
        """Return the result when the job is done; None before.

        Args:
            folder: Private folder of what is made of it.
        """
        if self.result is None and self.job.state == "done":
            place = Path(self.job.folder)
            probabilities = place / "probabilities.tif"
            self.result = MappedImage(
                self.name,
                self.model,
                self.bundle,
                place / "image.tif",
                place / "mask.tif",
                probabilities if probabilities.exists() else None,
                folder,
                self.job.values,
            )
        return self.result


@dataclass(eq=False)
class Session:
    """One open page.

    Args:
        folder: Its private folder, which is removed when it ends.
        uploads: Uploads by the id of the file and the model.
        refused: The name of each file not taken, and why, by the same.
        examples: Examples by the model.
    """

    folder: Path
    uploads: dict[tuple[str, str], Upload] = field(default_factory=dict)
    refused: dict[tuple[str, str], tuple[str, Exception]] = field(default_factory=dict)
    examples: dict[str, MappedImage] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Whatever forgets a session first, the watch or Streamlit or the end of the server, its files go.
        self._end = weakref.finalize(self, _clear, self.folder, self.uploads)

    @property
    def is_open(self) -> bool:
        """True until the session has ended."""
        return self._end.alive

    def close(self) -> None:
        """End the session and remove its files."""
        self._end()

    def example(self, shared: MappedImage) -> MappedImage:
        """Return the example for this session: the shared map, whose further files go into the session's own folder.

        Args:
            shared: The example that all sessions share.
        """
        if shared.model not in self.examples:
            self.examples[shared.model] = replace(
                shared, folder=self.folder, made=Cache(shared.made.size), pictures=Cache(shared.pictures.size)
            )
        return self.examples[shared.model]

    def name_of(self, key: tuple[str, str] | None) -> str:
        """Return the name that the user gave an image.

        Args:
            key: Id of the file and model; None for the example.
        """
        if key is None:
            return "Example"
        return self.refused[key][0] if key in self.refused else self.uploads[key].name

    def drop(self, key: tuple[str, str]) -> None:
        """Forget an upload and remove its files.

        Args:
            key: Id of the file and model.
        """
        upload = self.uploads.pop(key, None)
        if upload is not None:
            upload.job.delete()


def _clear(folder: Path, uploads: Mapping[tuple[str, str], Upload]) -> None:
    for upload in uploads.values():
        upload.job.delete()
    shutil.rmtree(folder, ignore_errors=True)


class SessionWatch:
    """A thread that ends the sessions whose page has been closed for some time.

    Streamlit drops the state of a session that is over when the next one comes, which may be tomorrow.

    Args:
        is_open: Returns whether the page of a session is open, by Streamlit's id of it.
        grace_s: How long a page must be closed before its session ends, in seconds.
        look_every_s: Seconds between two looks.
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
        """Watch over a session.

        Args:
            id: Streamlit's id of its page.
            session: The session.
        """
        self._seen_s[id] = time.monotonic()
        self._sessions[id] = weakref.ref(session)

    def stop(self) -> None:
        """End every session and look no more."""
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
