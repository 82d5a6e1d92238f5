"""The desk: takes images from strangers, queues them, has them mapped by worker processes and keeps the results."""

from __future__ import annotations

import io
import logging
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import BinaryIO

from overland.errors import UsageError
from overland.output import held_lock
from overland.web.jobs.job import ENDED, Job, JobOptions, JobRecord, read_job, write_record
from overland.web.jobs.limits import Limits, RefusedError, find_models
from overland.web.sandbox.process import InterruptedJobError, WorkerProcess
from overland.web.sandbox.tasks import MapTask, ProductTask, deleted, no_room, stopping
from overland.web.sandbox.upload_check import receive

__all__ = ["Job", "JobOptions", "JobQueue"]

logger = logging.getLogger("overland")

_LOOK_EVERY_S = 0.1
_SWEEP_EVERY_S = 5.0
_START_AGAIN_S = 1.0
_MAX_STARTS = 3
_ID_BYTES = 24
_SHOWN_NAME = 120
# Room on the disk that is never given to uploads, in units of the largest one.
_SPARE_UPLOADS = 4


class JobQueue:
    """Where strangers hand in images; one for each server process, and safe to use from any thread.

    `models` are folders that are bundles or hold bundles, see `find_models`. `folder` keeps the jobs, over restarts
    too; without one they live in a temporary folder as long as the desk. Use it in a `with` statement or call `close`.
    Raises `UsageError` where there is no model and where another desk has the folder, `DataError` for a damaged model.
    """

    def __init__(
        self, models: Path | Sequence[Path], limits: Limits | None = None, *, folder: Path | None = None
    ) -> None:
        self.limits = limits or Limits()
        self.models = find_models(models)
        self._resources = ExitStack()
        self.folder = self._open_folder(folder)
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._tasks: SimpleQueue[MapTask | ProductTask] = SimpleQueue()
        self._waiting = 0
        self._stopping = threading.Event()
        self._recover()
        self._workers = [WorkerProcess(self.limits.memory_mb) for _ in range(self.limits.workers)]
        self._threads = [threading.Thread(target=self._work, args=(worker,), daemon=True) for worker in self._workers]
        self._threads.append(threading.Thread(target=self._sweep, daemon=True))
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> JobQueue:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the workers. Jobs that wait or run are kept as waiting ones, for the next desk on the same folder."""
        self.stop_taking()
        for thread in self._threads:
            thread.join()
        while not self._tasks.empty():
            self._tasks.get().interrupt(is_stopping=True)
        self._resources.close()

    def stop_taking(self) -> None:
        """Refuse whatever is handed in from now on, and interrupt what the workers do."""
        self._stopping.set()

    @property
    def is_ready(self) -> bool:
        """Whether images can be handed in: the workers are up and the desk does not stop."""
        return not self._stopping.is_set() and all(worker.is_ready for worker in self._workers)

    @property
    def waiting(self) -> int:
        """How many tasks wait for a worker."""
        return self._waiting

    @property
    def worker_pids(self) -> list[int]:
        """Ids of the worker processes that run."""
        return [worker.pid for worker in self._workers if worker.pid is not None]

    @property
    def jobs(self) -> list[Job]:
        """Every job that is kept."""
        with self._lock:
            return list(self._jobs.values())

    def submit(
        self, model: str, image: bytes | BinaryIO, *, filename: str = "", options: JobOptions | None = None
    ) -> Job:
        """Take an image in and queue it.

        `image` is read to its end here; nothing decodes it in this process. `filename` is only ever shown. Raises
        `RefusedError`: 404 for a model that is not there, 413, 415 or 422 for what cannot be an image, 429 when the
        queue is full, 503 while the desk stops or its disk is full.
        """
        self.check_model(model)
        self.check_room()
        job_id = secrets.token_urlsafe(_ID_BYTES)
        folder = self.folder / job_id
        try:
            folder.mkdir(mode=0o700)
            stream = io.BytesIO(image) if isinstance(image, bytes) else image
            driver = receive(stream, folder / "upload", self.limits.max_bytes)
            name = filename[:_SHOWN_NAME]
            record = JobRecord(job_id, model, name, driver, options or JobOptions(), created_s=time.time())
            write_record(folder, record)
            job = Job(record, folder, self._forget)
            self._enqueue(MapTask(job, self.models[model], self.limits))
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, OSError):
                raise no_room() from error
            raise
        return job

    def job(self, id: str) -> Job:
        """A job by its id. Raises `RefusedError` 404 where there is none."""
        with self._lock:
            job = self._jobs.get(id)
        if job is None:
            raise deleted()
        return job

    def product(self, job: Job, name: str) -> Future[None]:
        """Have a file of `overland.web.sandbox.worker` made in the folder of a job that is done.

        The future ends when it is there, or with the `RefusedError` that says why it is not. Raises `RefusedError` 429
        and 503 as `submit` does.
        """
        task = ProductTask(job, name)
        if (job.folder / name).exists():
            task.succeed({})
        else:
            self._enqueue(task)
        return task.made

    def check_model(self, name: str) -> None:
        """Raise `RefusedError` 404 when there is no model of that name."""
        if name not in self.models:
            known = ", ".join(sorted(self.models))
            raise RefusedError(404, "No such model", f"There is no model of that name here; choose one of {known}.")

    def check_room(self) -> None:
        """Raise `RefusedError` when nothing can be handed in now: 503 while the desk stops, 429 when it is busy."""
        if self._stopping.is_set():
            raise stopping()
        if self._waiting >= self.limits.queue:
            raise RefusedError(429, "Busy", "The queue is full; try again in a moment.", retry_after_s=5)
        if shutil.disk_usage(self.folder).free < _SPARE_UPLOADS * self.limits.max_bytes:
            raise no_room()

    def _enqueue(self, task: MapTask | ProductTask) -> None:
        with self._lock:
            self.check_room()
            self._waiting += 1
            self._jobs[task.job.id] = task.job
        self._tasks.put(task)

    def _forget(self, id: str) -> None:
        with self._lock:
            self._jobs.pop(id, None)

    def _open_folder(self, folder: Path | None) -> Path:
        if folder is None:
            return Path(self._resources.enter_context(tempfile.TemporaryDirectory(prefix="overland-desk-")))
        path = _private_folder(folder)
        if not self._resources.enter_context(held_lock(path / "desk.lock")):
            raise UsageError(f"{path} is in use by another server. Give each its own folder, or stop the other.")
        return path

    def _recover(self) -> None:
        """Take up the jobs that an earlier desk left in the folder; uploads that never became one are removed."""
        found = []
        for folder in filter(Path.is_dir, self.folder.iterdir()):
            if job := read_job(folder, self._forget):
                found.append(job)
            else:
                shutil.rmtree(folder, ignore_errors=True)
        for job in sorted(found, key=lambda job: job.record.created_s):
            self._jobs[job.id] = job
            if job.state not in ENDED:
                self._take_up(job)

    def _take_up(self, job: Job) -> None:
        job.requeue()
        if job.record.starts >= _MAX_STARTS:
            job.end("failed", error=RefusedError(422, "Given up", "The server stopped each time it worked on this."))
        elif job.record.model not in self.models:
            job.end("failed", error=RefusedError(404, "No such model", "The model is not offered any more."))
        else:
            self._waiting += 1
            self._tasks.put(MapTask(job, self.models[job.record.model], self.limits))

    def _work(self, worker: WorkerProcess) -> None:
        """Take one task after the other; runs in a thread for each worker."""
        while not self._stopping.is_set():
            try:
                worker.start(self._stopping.is_set)
                task = self._tasks.get(timeout=_LOOK_EVERY_S)
            except Empty:
                continue
            except (RefusedError, InterruptedJobError):
                self._stopping.wait(_START_AGAIN_S)
                continue
            with self._lock:
                self._waiting -= 1
            try:
                if task.begin():
                    self._run(worker, task)
            except Exception:
                logger.exception("A fault of the desk; its worker goes on.")
                task.fail(RefusedError(500, "Fault", "A fault of the server; its log says more."))
            if task.job.deleted:
                task.job.remove_folder()
        worker.stop()

    def _run(self, worker: WorkerProcess, task: MapTask | ProductTask) -> None:
        try:
            values = worker.run(
                task.request,
                timeout_s=self.limits.timeout_s,
                is_stopped=lambda: self._stopping.is_set() or task.is_unwanted(),
                on_progress=task.progress,
            )
        except RefusedError as error:
            task.fail(error)
        except InterruptedJobError:
            task.interrupt(is_stopping=self._stopping.is_set())
        else:
            task.succeed(values)

    def _sweep(self) -> None:
        """Delete what has been kept long enough; runs in a thread."""
        while not self._stopping.wait(min(_SWEEP_EVERY_S, self.limits.keep_s / 4)):
            oldest = time.time() - self.limits.keep_s
            for job in self.jobs:
                if job.record.ended_s is not None and job.record.ended_s < oldest:
                    job.delete()


def _private_folder(path: Path) -> Path:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
    except OSError as error:
        raise UsageError(f"{path} cannot be a folder for jobs ({error.strerror}).") from error
    return path.resolve()
