"""Jobs: one image, one model, and the state of the work on it, which is on disk and survives the server."""

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

from overland.web.refusals import RefusedError, refusal_from_dict

__all__ = ["ENDED", "Job", "JobOptions", "JobRecord", "State", "read_job", "write_record"]

State = Literal["queued", "running", "done", "failed", "cancelled"]
ENDED: frozenset[State] = frozenset({"done", "failed", "cancelled"})

_RECORD = "job.json"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class JobOptions:
    """Options of how an image is mapped, in the words of `predict`.

    Args:
        threshold: Smallest probability of class 1, for a two-class model; None for the tuned one.
        probabilities: Whether the probabilities are kept beside the map.
        bands: Bands to read, counted from 1, in the model's order; None for the model's own.
        tta: Test-time augmentation, "flips" or "d4"; None for none.
        max_pixels: Largest image, width times height, where it is less than the server's limit.
        downloads: Files to be made together with the map, see `overland.web.sandbox.worker.DOWNLOADS`.
    """

    threshold: float | None = None
    probabilities: bool = True
    bands: tuple[int, ...] | None = None
    tta: str | None = None
    max_pixels: int | None = None
    downloads: tuple[str, ...] = ()


@dataclass(frozen=True)
class JobRecord:
    """The facts of a job that are kept on disk.

    Args:
        id: The job's name, which cannot be guessed.
        model: Name of the model.
        filename: The name that the client gave the image; only ever shown.
        driver: GDAL's name of the image's format, by its first bytes.
        options: How the image is mapped.
        created_s: When it was submitted, in seconds since 1970.
        client: Whose job it is, for the bound of each client; "" for nobody's.
        is_large: Whether a worker has found the image to be a large one.
        state: "queued", "running", "done", "failed" or "cancelled".
        ended_s: When it ended, in seconds since 1970.
        starts: How often the work on it was begun.
        error: The refusal that it failed with, as plain values.
        values: The result: size and place of the image, areas of the classes, speed.
    """

    id: str
    model: str
    filename: str
    driver: str
    options: JobOptions
    created_s: float
    client: str = ""
    is_large: bool = False
    state: State = "queued"
    ended_s: float | None = None
    starts: int = 0
    error: dict[str, Any] | None = None
    values: dict[str, Any] = field(default_factory=dict)


class Job:
    """One image that is mapped; made by `JobQueue.submit`. Every method may be called from any thread.

    Args:
        record: What is known of it.
        folder: Its private folder, with `image.tif` (what the model saw), `mask.tif` and `probabilities.tif` once it
            is done.
        forget: Called with the id when the job is deleted.
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
        """The record that is kept on disk."""
        return self._record

    @property
    def id(self) -> str:
        """The job's name, which cannot be guessed."""
        return self._record.id

    @property
    def state(self) -> State:
        """One of "queued", "running", "done", "failed", "cancelled"."""
        return self._record.state

    @property
    def error(self) -> RefusedError | None:
        """The refusal that the job failed with; None where it did not fail."""
        return None if self._record.error is None else refusal_from_dict(self._record.error)

    @property
    def values(self) -> dict[str, Any]:
        """The result: fractions and areas of the classes, size, speed."""
        return self._record.values

    @property
    def deleted(self) -> bool:
        """True when somebody has deleted it."""
        return self._deleted

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the job has ended.

        Args:
            timeout_s: Longest wait in seconds; None for no bound.

        Returns:
            Whether it has ended.
        """
        return not wait_for([self.ended], timeout_s).not_done

    def cancel(self) -> None:
        """Stop the job, unless it has ended."""
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
        """Mark the job as running.

        Returns:
            False where it was cancelled while it waited, so that there is nothing to do.
        """
        with self._lock:
            if self.state != "queued":
                return False
            self._update(state="running", starts=self._record.starts + 1)
            return True

    def requeue(self, *, is_large: bool | None = None, counts: bool = True) -> None:
        """Mark a job whose work was interrupted as waiting again.

        Args:
            is_large: Whether the image is a large one, where that has been found out.
            counts: Whether the interrupted work counts among the starts, of which there is a bound.
        """
        with self._lock:
            if self.state in ENDED:
                return
            self._update(
                state="queued",
                starts=self._record.starts if counts else max(0, self._record.starts - 1),
                is_large=self._record.is_large if is_large is None else is_large,
            )

    def end(self, state: State, *, values: dict[str, Any] | None = None, error: RefusedError | None = None) -> None:
        """Mark the job as ended, unless it has ended already.

        Args:
            state: "done", "failed" or "cancelled".
            values: The result of a job that is done.
            error: The refusal of a job that failed.
        """
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
            # The job goes on; after a restart it would be resumed as it was last written.
            logger.warning("The state of job %s cannot be written (%s).", self.id, error.strerror)


def write_record(folder: Path, record: JobRecord) -> None:
    """Write a job's record into its folder, the old one or the new one whole.

    Args:
        folder: The job's folder.
        record: What is to be kept.
    """
    part = folder / f"{_RECORD}.part"
    with part.open("w", encoding="utf-8") as file:
        json.dump(asdict(record), file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / _RECORD)


def read_job(folder: Path, forget: Callable[[str], None]) -> Job | None:
    """Read a job from its folder.

    Args:
        folder: The job's folder.
        forget: Called with the id when the job is deleted.

    Returns:
        The job; None where there is none, or it cannot be read.
    """
    try:
        values = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        options = values.pop("options")
        for name in ("bands", "downloads"):
            options[name] = None if options[name] is None else tuple(options[name])
        return Job(JobRecord(options=JobOptions(**options), **values), folder, forget)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        logger.warning("%s holds no job that can be read (%r).", folder, error)
        return None
