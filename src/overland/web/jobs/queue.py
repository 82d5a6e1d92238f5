"""The job queue: takes images from clients, has them mapped by worker processes, keeps the results for a while.

There are two lanes. Every image enters the one for small images, whose worker looks at the image's header first; a
large image is handed back and goes on in the lane for large ones, whose workers run at a lower priority. So nobody
waits behind somebody else's 88 megapixels. Each client may have so many jobs at once, see `Limits.per_client`.
"""

from __future__ import annotations

import io
import logging
import shutil
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import BinaryIO

from overland.web.jobs.folder import is_job_id, new_job_id, open_jobs_folder, remove_stale_uploads, upload_folder
from overland.web.jobs.job import ENDED, Job, JobOptions, JobRecord, read_job, write_record
from overland.web.jobs.limits import Limits, find_models
from overland.web.refusals import BusyError, FaultError, NotFoundError, RefusedError, UnusableError
from overland.web.sandbox.process import InterruptedJobError, WorkerDiedError, WorkerProcess
from overland.web.sandbox.tasks import MAX_STARTS, DownloadTask, MapTask, Task, deleted, no_room, stopping
from overland.web.sandbox.upload_check import receive

__all__ = ["Job", "JobOptions", "JobQueue"]

logger = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.1
_SWEEP_EVERY_S = 5.0
_START_AGAIN_S = 1.0
_RETRY_AFTER_S = 5.0
# An upload is copied from a file of this machine: one that has not become a job by then never will.
_STALE_S = 3600.0
_SHOWN_NAME = 120
# Room on the disk that is never given to uploads, in units of the largest one.
_SPARE_UPLOADS = 4


class _Lane:
    """Tasks that wait for the same workers, first come, first served."""

    def __init__(self, workers: Sequence[WorkerProcess], *, is_eager: bool) -> None:
        self.workers = workers
        # Whether the workers are started before there is a task.
        self.is_eager = is_eager
        self.tasks: SimpleQueue[Task] = SimpleQueue()
        self.waiting = 0


class JobQueue:
    """The queue of one server process; safe to use from any thread. Use it in a `with` statement or call `close`.

    Args:
        models: Folders that are bundles or hold bundles, see `find_models`.
        limits: Bounds of uploads and of the work; the defaults of `Limits` by default.
        folder: Where jobs are kept, over restarts too, see `open_jobs_folder`; None for a temporary folder that is
            removed when the queue is closed.

    Raises:
        UsageError: There is no model; or the folder is another server's, or not a server's at all.
        DataError: A model is damaged.
    """

    def __init__(
        self, models: str | Path | Sequence[str | Path], limits: Limits | None = None, *, folder: Path | None = None
    ) -> None:
        self.limits = limits or Limits()
        self.models = find_models(models)
        self._resources = ExitStack()
        try:
            self.folder = open_jobs_folder(folder, self._resources)
        except BaseException:
            self._resources.close()
            raise
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        memory_mb = self.limits.memory_mb
        self._small = _Lane([WorkerProcess(memory_mb) for _ in range(self.limits.workers)], is_eager=True)
        self._large = _Lane(
            [WorkerProcess(memory_mb, is_background=True) for _ in range(self.limits.large_workers)], is_eager=False
        )
        self._stopping = threading.Event()
        self._resume_jobs()
        self._threads = [
            threading.Thread(target=self._work, args=(lane, worker), daemon=True)
            for lane in (self._small, self._large)
            for worker in lane.workers
        ]
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
        """Stop the workers. Jobs that wait or run are kept as waiting ones, for the next queue on the same folder."""
        self.stop_taking()
        for thread in self._threads:
            thread.join()
        for lane in (self._small, self._large):
            while not lane.tasks.empty():
                lane.tasks.get().interrupt(is_stopping=True)
        self._resources.close()

    def stop_taking(self) -> None:
        """Refuse whatever is submitted from now on, and interrupt the workers."""
        self._stopping.set()

    @property
    def is_ready(self) -> bool:
        """True while images can be submitted: the workers are up and the queue does not stop."""
        return not self._stopping.is_set() and all(worker.is_ready for worker in self._small.workers)

    @property
    def waiting(self) -> int:
        """Number of tasks that wait for a worker."""
        return self._small.waiting + self._large.waiting

    @property
    def worker_pids(self) -> list[int]:
        """Ids of the worker processes that run."""
        workers = [*self._small.workers, *self._large.workers]
        return [worker.pid for worker in workers if worker.pid is not None]

    @property
    def jobs(self) -> list[Job]:
        """Every job that is kept."""
        with self._lock:
            return list(self._jobs.values())

    def submit(
        self,
        model: str,
        image: bytes | BinaryIO,
        *,
        filename: str = "",
        options: JobOptions | None = None,
        client: str = "",
    ) -> Job:
        """Take an image in and queue it.

        Args:
            model: Name of a model, one of `models`.
            image: The bytes of a PNG, JPEG or TIFF, or a file that is read to its end here. Nothing decodes it in
                this process.
            filename: The name that the client gave it; only ever shown.
            options: How it is mapped.
            client: Who submits it, for the bound of each client; "" for nobody, who has none.

        Returns:
            The job, which waits for a worker.

        Raises:
            NotFoundError: There is no such model.
            TooLargeError, NotAnImageError, UnusableError: It cannot be an image that is mapped here.
            BusyError: The queue, or the client's part of it, is full.
            UnavailableError: The queue stops, or the disk is full.
        """
        self.check_model(model)
        self.check_room(client)
        job_id = new_job_id()
        folder = upload = self.folder / job_id
        try:
            upload = upload_folder(self.folder, job_id)
            stream = io.BytesIO(image) if isinstance(image, bytes) else image
            driver = receive(stream, upload / "upload", self.limits.max_bytes)
            record = JobRecord(
                id=job_id,
                model=model,
                filename=filename[:_SHOWN_NAME],
                driver=driver,
                options=options or JobOptions(),
                created_s=time.time(),
                client=client,
            )
            write_record(upload, record)
            upload.rename(folder)
            job = Job(record, folder, self._forget)
            self._enqueue(MapTask(job, self.models[model], self.limits), client)
        except BaseException as error:
            for path in (upload, folder):
                shutil.rmtree(path, ignore_errors=True)
            if isinstance(error, OSError):
                raise no_room() from error
            raise
        return job

    def job(self, id: str) -> Job:
        """Return a job by its id.

        Args:
            id: The job's id.

        Raises:
            NotFoundError: There is none.
        """
        with self._lock:
            job = self._jobs.get(id)
        if job is None:
            raise deleted()
        return job

    def make_download(self, job: Job, name: str) -> Future[None]:
        """Have a file made of the map of a job.

        Args:
            job: A job that is done.
            name: One of `overland.web.sandbox.worker.DOWNLOADS`.

        Returns:
            A future that ends when the file is in the job's folder, or with the `RefusedError` that says why not.

        Raises:
            BusyError: The queue is full.
            UnavailableError: The queue stops, or the disk is full.
        """
        task = DownloadTask(job, name)
        if (job.folder / name).exists():
            task.succeed({})
        else:
            self._enqueue(task)
        return task.made

    def check_model(self, name: str) -> None:
        """Check that there is a model.

        Args:
            name: Its name.

        Raises:
            NotFoundError: There is no model of that name.
        """
        if name not in self.models:
            known = ", ".join(sorted(self.models))
            raise NotFoundError(f"There is no model of that name here; choose one of {known}.", title="No such model")

    def check_room(self, client: str = "") -> None:
        """Check that an image can be submitted now.

        Args:
            client: Who would submit it; "" for nobody.

        Raises:
            BusyError: The queue, or the client's part of it, is full.
            UnavailableError: The queue stops, or the disk is full.
        """
        with self._lock:
            self._check_room(self._small, client)

    def _check_room(self, lane: _Lane, client: str = "") -> None:
        if self._stopping.is_set():
            raise stopping()
        if lane.waiting >= self.limits.queue:
            raise BusyError("The queue is full; try again in a moment.", retry_after_s=_RETRY_AFTER_S)
        if client:
            unfinished = sum(job.record.client == client and job.state not in ENDED for job in self._jobs.values())
            if unfinished >= self.limits.per_client:
                raise BusyError(
                    f"{unfinished} jobs of yours wait already, as many as one client may have; try again when one of "
                    "them has ended.",
                    retry_after_s=_RETRY_AFTER_S,
                )
        if shutil.disk_usage(self.folder).free < _SPARE_UPLOADS * self.limits.max_bytes:
            raise no_room()

    def _enqueue(self, task: MapTask | DownloadTask, client: str = "") -> None:
        lane = self._large if task.job.record.is_large else self._small
        with self._lock:
            self._check_room(lane, client)
            self._jobs[task.job.id] = task.job
            lane.waiting += 1
        lane.tasks.put(task)

    def _forget(self, id: str) -> None:
        with self._lock:
            self._jobs.pop(id, None)

    def _resume_jobs(self) -> None:
        """Read the jobs that an earlier queue left in the folder; uploads that never became one are removed."""
        remove_stale_uploads(self.folder)
        found = []
        for folder in self.folder.iterdir():
            # Whatever else lies here is not ours, and stays.
            if not is_job_id(folder.name) or folder.is_symlink() or not folder.is_dir():
                continue
            if job := read_job(folder, self._forget):
                found.append(job)
            else:
                shutil.rmtree(folder, ignore_errors=True)
        for job in sorted(found, key=lambda job: job.record.created_s):
            self._jobs[job.id] = job
            if job.state in ENDED:
                continue
            job.requeue()
            if job.record.starts >= MAX_STARTS:
                job.end("failed", error=_given_up("The server stopped each time."))
            elif job.record.model not in self.models:
                job.end("failed", error=NotFoundError("The model is not offered any more.", title="No such model"))
            else:
                lane = self._large if job.record.is_large else self._small
                lane.waiting += 1
                lane.tasks.put(MapTask(job, self.models[job.record.model], self.limits))

    def _work(self, lane: _Lane, worker: WorkerProcess) -> None:
        """Take one task of a lane after the other; runs in a thread for each worker."""
        while not self._stopping.is_set():
            try:
                if lane.is_eager:
                    worker.start(self._stopping.is_set)
                task = lane.tasks.get(timeout=_LOOK_EVERY_S)
            except Empty:
                continue
            except (RefusedError, InterruptedJobError):
                self._stopping.wait(_START_AGAIN_S)
                continue
            with self._lock:
                lane.waiting -= 1
            try:
                if task.begin():
                    self._run(lane, worker, task)
            except Exception:
                logger.exception("A fault of the queue; its worker goes on.")
                task.fail(FaultError("A fault of the server; its log says more."))
            if task.job.deleted:
                task.job.remove_folder()
            if not lane.is_eager and not lane.waiting:
                # What a large image has taken is given back to the system with the process.
                worker.stop()
        worker.stop()

    def _run(self, lane: _Lane, worker: WorkerProcess, task: Task) -> None:
        try:
            worker.start(self._stopping.is_set)
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
        except WorkerDiedError:
            # Perhaps not the image's fault: the system may have been short of memory, or somebody killed it.
            if task.starts >= MAX_STARTS:
                task.fail(_given_up("The image is damaged, or needs more memory than is allowed here."))
            else:
                task.requeue()
                self._put_back(lane, task)
        else:
            if not values.get("is_large"):
                task.succeed(values)
            elif self._large.waiting >= self.limits.queue:
                task.fail(BusyError("The queue of large images is full; try again later.", retry_after_s=60))
            else:
                task.job.requeue(is_large=True, counts=False)
                if task.job.state == "queued":
                    self._put_back(self._large, task)

    def _put_back(self, lane: _Lane, task: Task) -> None:
        with self._lock:
            lane.waiting += 1
        lane.tasks.put(task)

    def _sweep(self) -> None:
        """Delete jobs that have been kept long enough; runs in a thread."""
        while not self._stopping.wait(min(_SWEEP_EVERY_S, self.limits.keep_s / 4)):
            oldest = time.time() - self.limits.keep_s
            for job in self.jobs:
                if job.record.ended_s is not None and job.record.ended_s < oldest:
                    job.delete()
            remove_stale_uploads(self.folder, older_than_s=_STALE_S)


def _given_up(reason: str) -> UnusableError:
    return UnusableError(f"The work on the image was begun {MAX_STARTS} times and never came to its end. {reason}")
