"""A job: one image, one model, and what has become of it; its state is on disk and survives the server."""

from __future__ import annotations

import json
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from overland.web.jobs.limits import RefusedError, refusal_from_dict

__all__ = ["ENDED", "Job", "JobOptions", "JobRecord", "read_job", "write_record"]

State = Literal["queued", "running", "done", "failed", "cancelled"]
ENDED: frozenset[State] = frozenset({"done", "failed", "cancelled"})

_RECORD = "job.json"

logger = logging.getLogger("overland")


@dataclass(frozen=True)
class JobOptions:
    """How an image is to be mapped: words as `predict` has them; `max_pixels` may lower the server's limit.

    `products` are files to be made with the map, see `overland.web.sandbox.worker`.
    """

    threshold: float | None = None
    scores: bool = True
    bands: tuple[int, ...] | None = None
    tta: str | None = None
    max_pixels: int | None = None
    products: tuple[str, ...] = ()


@dataclass(frozen=True)
class JobRecord:
    """All that is known of a job, as it is kept on disk; times are seconds since 1970."""

    id: str
    model: str
    filename: str
    driver: str
    options: JobOptions
    created_s: float
    state: State = "queued"
    ended_s: float | None = None
    starts: int = 0
    error: dict[str, Any] | None = None
    values: dict[str, Any] = field(default_factory=dict)


class Job:
    """One image that is mapped; made by `JobQueue.submit`.

    `folder` is private to the job and holds `image.tif` (what the model saw), `mask.tif` and `scores.tif` once it is
    done. Every method may be called from any thread.
    """

    def __init__(self, record: JobRecord, folder: Path, forget: Callable[[str], None]) -> None:
        self.folder = folder
        self.progress = 1.0 if record.state == "done" else 0.0
        self.cancel_requested = threading.Event()
        self.ended: Future[None] = Future()
        # Many may wait for it; none of them may cancel it for the others.
        self.ended.set_running_or_notify_cancel()
        self._record = record
        self._forget = forget
        self._deleted = False
        self._lock = threading.RLock()
        if record.state in ENDED:
            self.ended.set_result(None)

    @property
    def record(self) -> JobRecord:
        """What is kept on disk."""
        return self._record

    @property
    def id(self) -> str:
        """A name that cannot be guessed."""
        return self._record.id

    @property
    def state(self) -> State:
        """One of "queued", "running", "done", "failed", "cancelled"."""
        return self._record.state

    @property
    def error(self) -> RefusedError | None:
        """Why the job failed; None where it did not."""
        return None if self._record.error is None else refusal_from_dict(self._record.error)

    @property
    def values(self) -> dict[str, Any]:
        """What the workflow found: shares and areas of the classes, size, speed."""
        return self._record.values

    @property
    def deleted(self) -> bool:
        """Whether somebody deleted it."""
        return self._deleted

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the job has ended; gives whether it has."""
        return not wait_for([self.ended], timeout_s).not_done

    def cancel(self) -> None:
        """Stop the job; one that has ended stays as it is."""
        with self._lock:
            self.cancel_requested.set()
            if self.state == "queued":
                self.end("cancelled")

    def delete(self) -> None:
        """Stop the job and remove everything that is kept of it."""
        with self._lock:
            self._deleted = True
            self.cancel()
        self._forget(self.id)
        if self.state in ENDED:
            self.remove_folder()

    def remove_folder(self) -> None:
        """Remove the files; called when nobody works on them any more."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> bool:
        """Mark the job as running; gives False where it was cancelled while it waited."""
        with self._lock:
            if self.state != "queued":
                return False
            self._update(state="running", starts=self._record.starts + 1)
            return True

    def requeue(self) -> None:
        """Put a job that was interrupted back to where it waited."""
        with self._lock:
            if self.state not in ENDED:
                self._update(state="queued")

    def end(self, state: State, *, values: dict[str, Any] | None = None, error: RefusedError | None = None) -> None:
        """Mark the job as ended."""
        with self._lock:
            if self.state in ENDED:
                return
            if state == "done":
                self.progress = 1.0
            self._update(
                state=state, values=values or {}, error=error.to_dict() if error else None, ended_s=time.time()
            )
        self.ended.set_result(None)

    def _update(self, **changes: Any) -> None:
        self._record = replace(self._record, **changes)
        if self._deleted:
            return
        try:
            write_record(self.folder, self._record)
        except OSError as error:
            # The job goes on; after a restart it would be taken up as it was last written.
            logger.warning("The state of job %s cannot be written (%s).", self.id, error.strerror)


def write_record(folder: Path, record: JobRecord) -> None:
    """Keep a job's record in its folder, the old one or the new one whole."""
    part = folder / f"{_RECORD}.part"
    with part.open("w", encoding="utf-8") as file:
        json.dump(asdict(record), file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / _RECORD)


def read_job(folder: Path, forget: Callable[[str], None]) -> Job | None:
    """Read a job from its folder; None where there is none or it cannot be read."""
    try:
        values = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        options = values.pop("options")
        for name in ("bands", "products"):
            options[name] = None if options[name] is None else tuple(options[name])
        return Job(JobRecord(options=JobOptions(**options), **values), folder, forget)
    except (OSError, ValueError, TypeError, KeyError) as error:
        logger.warning("%s holds no job that can be read (%r).", folder, error)
        return None
