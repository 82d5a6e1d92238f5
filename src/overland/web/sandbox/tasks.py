"""Tasks of a worker process: map the image of a job, or make one more file of its map."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, Protocol

from overland.bundle import ModelBundle
from overland.web.jobs.job import Job
from overland.web.jobs.limits import Limits
from overland.web.refusals import NotFoundError, RefusedError, UnavailableError

__all__ = ["MAX_STARTS", "DownloadTask", "MapTask", "Task", "deleted", "no_room", "stopping"]

MAX_STARTS = 3
"""Most times that the work on one task is begun: its worker may die, or the server be stopped, until it is given up."""

Request = dict[str, Any]


class Task(Protocol):
    """A task as the queue sees it."""

    job: Job

    @property
    def request(self) -> Request:
        """The request as the worker process reads it."""

    @property
    def starts(self) -> int:
        """Number of times that the work on it was begun."""

    def begin(self) -> bool:
        """Mark the task as begun; returns False where nobody wants it any more."""

    def is_unwanted(self) -> bool:
        """Return whether nobody waits for it any more."""

    def progress(self, fraction: float) -> None:
        """Take note of the fraction that is done.

        Args:
            fraction: 0 to 1.
        """

    def succeed(self, values: Mapping[str, Any]) -> None:
        """Mark the task as done.

        Args:
            values: The worker's answer.
        """

    def fail(self, error: RefusedError) -> None:
        """Mark the task as failed.

        Args:
            error: The reason.
        """

    def requeue(self) -> None:
        """Mark the task as waiting again after its worker died."""

    def interrupt(self, *, is_stopping: bool) -> None:
        """Mark the task as interrupted.

        Args:
            is_stopping: Whether the server stops; otherwise its owner has cancelled it.
        """


class MapTask:
    """The task to map the image of a job; its outcome is the job's state.

    Args:
        job: The job.
        bundle: The model.
        limits: Bounds of the image and of the work.
    """

    def __init__(self, job: Job, bundle: ModelBundle, limits: Limits) -> None:
        self.job = job
        self._bundle = bundle
        self._limits = limits

    @property
    def request(self) -> Request:
        """The request as the worker process reads it."""
        limits, options = self._limits, self.job.record.options
        max_pixels = min(limits.max_pixels, options.max_pixels or limits.max_pixels)
        is_for_waiting = max_pixels < limits.max_pixels
        return {
            "task": "map",
            "model": str(self._bundle.graph_path.parent),
            "folder": str(self.job.folder),
            "driver": self.job.record.driver,
            "options": {name: getattr(options, name) for name in ("threshold", "probabilities", "bands", "tta")},
            "downloads": list(options.downloads),
            "limits": {
                "max_pixels": max_pixels,
                # A larger image is handed back, to be mapped where it holds nobody up.
                "small_pixels": None if self.job.record.is_large else limits.sync_pixels,
                "max_bands": limits.max_bands,
                "memory_mb": limits.memory_mb,
                "advice": "Send it to /v1/jobs." if is_for_waiting else "Send a part of the scene.",
            },
        }

    @property
    def starts(self) -> int:
        """Number of times that the work on it was begun."""
        return self.job.record.starts

    def begin(self) -> bool:
        """Mark the job as running; returns False where it was cancelled."""
        return self.job.start()

    def is_unwanted(self) -> bool:
        """Return whether the job was cancelled."""
        return self.job.cancel_requested.is_set()

    def progress(self, fraction: float) -> None:
        """Take note of the fraction of the image that is mapped.

        Args:
            fraction: From 0 to 1.
        """
        self.job.progress = fraction

    def succeed(self, values: Mapping[str, Any]) -> None:
        """Mark the job as done.

        Args:
            values: The result, see `overland.web.sandbox.worker.map_image`.
        """
        self.job.end("done", values=dict(values))

    def fail(self, error: RefusedError) -> None:
        """Mark the job as failed.

        Args:
            error: Why there is no map.
        """
        self.job.end("failed", error=error)

    def requeue(self) -> None:
        """Mark the job as waiting again after its worker died."""
        self.job.requeue()

    def interrupt(self, *, is_stopping: bool) -> None:
        """Mark the job as waiting for the next start of the server, or as cancelled.

        Args:
            is_stopping: Whether the server stops; otherwise the job's owner cancelled it.
        """
        if is_stopping and not self.is_unwanted():
            self.job.requeue(counts=False)
        else:
            self.job.end("cancelled")


class DownloadTask:
    """The task to make a file of the map of a job that is done.

    Args:
        job: The job.
        name: Name of the file, one of `overland.web.sandbox.worker.DOWNLOADS`.
    """

    def __init__(self, job: Job, name: str) -> None:
        self.job = job
        self.made: Future[None] = Future()
        # Who waits for it may go away, and must not cancel what is worked on.
        self.made.set_running_or_notify_cancel()
        self.starts = 0
        self.request: Request = {"task": "make", "folder": str(job.folder), "downloads": [name]}

    def begin(self) -> bool:
        """Mark the task as begun; returns False where the job was deleted."""
        self.starts += 1
        if self.job.deleted:
            self.fail(deleted())
        return not self.job.deleted

    def is_unwanted(self) -> bool:
        """Return whether the job was deleted."""
        return self.job.deleted

    def progress(self, fraction: float) -> None:
        """Ignore progress: a file is made in one go.

        Args:
            fraction: From 0 to 1.
        """

    def succeed(self, values: Mapping[str, Any]) -> None:
        """Tell who waits that the file is there.

        Args:
            values: Nothing.
        """
        self.made.set_result(None)

    def fail(self, error: RefusedError) -> None:
        """Tell who waits why there is no file.

        Args:
            error: The refusal.
        """
        self.made.set_exception(error)

    def requeue(self) -> None:
        """Do nothing: the task keeps no state of its own."""

    def interrupt(self, *, is_stopping: bool) -> None:
        """Tell who waits that the work was interrupted; it is begun anew when somebody asks again.

        Args:
            is_stopping: Whether the server stops; otherwise the job was deleted.
        """
        self.fail(stopping() if is_stopping else deleted())


def deleted() -> RefusedError:
    """Return the refusal of a job that does not exist."""
    return NotFoundError("There is no job of that id; it may have expired or been deleted.", title="No such job")


def no_room() -> RefusedError:
    """Return the refusal of uploads while the disk is full."""
    return UnavailableError("The server's disk is full; try again later.", title="No room", retry_after_s=60)


def stopping() -> RefusedError:
    """Return the refusal of everything while the server stops."""
    return UnavailableError("The server is stopping; try again in a moment.", title="Stopping", retry_after_s=10)
