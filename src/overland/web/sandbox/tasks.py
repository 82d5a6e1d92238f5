"""What a worker is asked to do: map the image of a job, or make one more file of its map."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from overland.bundle import ModelBundle
from overland.web.jobs.job import Job
from overland.web.jobs.limits import Limits, RefusedError

__all__ = ["MapTask", "ProductTask", "deleted", "no_room", "stopping"]

Request = dict[str, Any]


class MapTask:
    """Map the image of a job; what comes of it is the job's state."""

    def __init__(self, job: Job, bundle: ModelBundle, limits: Limits) -> None:
        self.job = job
        self.request = _map_request(job, bundle, limits)

    def begin(self) -> bool:
        """Whether there is still something to do."""
        return self.job.start()

    def is_unwanted(self) -> bool:
        """Whether nobody waits for it any more."""
        return self.job.cancel_requested.is_set()

    def progress(self, share: float) -> None:
        """Take note of the share that is done."""
        self.job.progress = share

    def succeed(self, values: Mapping[str, Any]) -> None:
        """The map is there."""
        self.job.end("done", values=dict(values))

    def fail(self, error: RefusedError) -> None:
        """There will be no map."""
        self.job.end("failed", error=error)

    def interrupt(self, *, is_stopping: bool) -> None:
        """The work was cut off: by the server, then it is taken up again, or by its owner."""
        if is_stopping and not self.is_unwanted():
            self.job.requeue()
        else:
            self.job.end("cancelled")


class ProductTask:
    """Make a file of the map of a job that is done; `made` ends when it is there, or with a `RefusedError`."""

    def __init__(self, job: Job, name: str) -> None:
        self.job = job
        self.made: Future[None] = Future()
        # Who waits for it may go away, and must not cancel what is worked on.
        self.made.set_running_or_notify_cancel()
        self.request: Request = {"task": "make", "folder": str(job.folder), "products": [name]}

    def begin(self) -> bool:
        """Whether there is still something to do."""
        if self.job.deleted:
            self.fail(deleted())
        return not self.job.deleted

    def is_unwanted(self) -> bool:
        """Whether nobody waits for it any more."""
        return self.job.deleted

    def progress(self, share: float) -> None:
        """Products are made in one go."""

    def succeed(self, values: Mapping[str, Any]) -> None:
        """The file is there."""
        self.made.set_result(None)

    def fail(self, error: RefusedError) -> None:
        """There will be no file."""
        self.made.set_exception(error)

    def interrupt(self, *, is_stopping: bool) -> None:
        """The work was cut off; it is begun anew when somebody asks again."""
        self.fail(stopping() if is_stopping else deleted())


def deleted() -> RefusedError:
    """The refusal of a job that is not there."""
    return RefusedError(404, "No such job", "There is no job of that id; it may have expired or been deleted.")


def no_room() -> RefusedError:
    """The refusal of uploads while the disk is full."""
    return RefusedError(503, "No room", "The server's disk is full; try again later.", retry_after_s=60)


def stopping() -> RefusedError:
    """The refusal of everything while the server stops."""
    return RefusedError(503, "Stopping", "The server is stopping; try again in a moment.", retry_after_s=10)


def _map_request(job: Job, bundle: ModelBundle, limits: Limits) -> Request:
    options = job.record.options
    max_pixels = min(limits.max_pixels, options.max_pixels or limits.max_pixels)
    advice = "Send it to /v1/jobs." if max_pixels < limits.max_pixels else "Send a part of the scene."
    return {
        "task": "map",
        "model": str(bundle.graph_path.parent),
        "folder": str(job.folder),
        "driver": job.record.driver,
        "options": {name: getattr(options, name) for name in ("threshold", "scores", "bands", "tta")},
        "products": list(options.products),
        "limits": {
            "max_pixels": max_pixels,
            "max_bands": limits.max_bands,
            "memory_mb": limits.memory_mb,
            "advice": advice,
        },
    }
