"""A worker process as the server sees it: started when needed, killed when it is slow, replaced when it dies."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue
from typing import Any

from overland.web.jobs.limits import RefusedError, refusal_from_dict
from overland.web.sandbox.hardening import worker_environment

__all__ = ["InterruptedJobError", "WorkerProcess"]

logger = logging.getLogger("overland")

_START_S = 120.0
_LOOK_EVERY_S = 0.05

Message = dict[str, Any]


class InterruptedJobError(Exception):
    """The work was stopped on purpose: cancelled, or the server stops."""


class WorkerProcess:
    """One child process that answers one request at a time. Use it from one thread."""

    def __init__(self, memory_mb: int) -> None:
        self._memory_mb = memory_mb
        self._child: subprocess.Popen[str] | None = None
        self._messages: SimpleQueue[Message | None] = SimpleQueue()
        self.is_ready = False

    @property
    def pid(self) -> int | None:
        """The process id; None while there is none."""
        return None if self._child is None else self._child.pid

    def start(self, is_stopped: Callable[[], bool]) -> None:
        """Start the process where it does not run. Raises `RefusedError` 503 when it does not come up."""
        if self._child is not None and self._child.poll() is None:
            return
        self.stop()
        self._child = subprocess.Popen(
            [sys.executable, "-m", "overland.web.sandbox.worker", str(self._memory_mb)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=worker_environment(),
        )
        self._messages = SimpleQueue()
        threading.Thread(target=_read_messages, args=(self._child, self._messages), daemon=True).start()
        if "ready" not in self._next(time.monotonic() + _START_S, is_stopped):
            self.stop()
            raise RefusedError(503, "No worker", "The worker process does not start; see the server's log.")
        self.is_ready = True

    def run(
        self,
        request: Mapping[str, Any],
        *,
        timeout_s: float,
        is_stopped: Callable[[], bool],
        on_progress: Callable[[float], None],
    ) -> Message:
        """Have a request worked on and give the values that come of it.

        Raises `RefusedError` with what the worker refused, 504 after `timeout_s`, 422 when the process died on it, and
        `InterruptedJobError` when `is_stopped` says so. The process is killed in the last three.
        """
        deadline = time.monotonic() + timeout_s
        self._send(request)
        while True:
            message = self._next(deadline, is_stopped)
            if "progress" in message:
                on_progress(float(message["progress"]))
            elif "refused" in message:
                if message.get("is_last"):
                    self.stop()
                raise refusal_from_dict(message["refused"])
            else:
                return dict(message["done"])

    def stop(self) -> None:
        """Kill the process."""
        self.is_ready = False
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                _close(pipe)

    def _send(self, request: Mapping[str, Any]) -> None:
        assert self._child is not None, "started"
        assert self._child.stdin is not None, "a pipe"
        try:
            self._child.stdin.write(json.dumps(request) + "\n")
            self._child.stdin.flush()
        except BrokenPipeError:
            raise self._died() from None

    def _next(self, deadline: float, is_stopped: Callable[[], bool]) -> Message:
        while True:
            try:
                message = self._messages.get(timeout=_LOOK_EVERY_S)
            except Empty:
                self._check_time(deadline, is_stopped)
                continue
            if message is None:
                raise self._died()
            return message

    def _check_time(self, deadline: float, is_stopped: Callable[[], bool]) -> None:
        if is_stopped():
            self.stop()
            raise InterruptedJobError
        if time.monotonic() > deadline:
            self.stop()
            raise RefusedError(504, "Too slow", "The work took longer than is allowed here; send a smaller image.")

    def _died(self) -> RefusedError:
        code = None if self._child is None else self._child.wait()
        logger.warning("A worker process ended with code %s and is replaced.", code)
        self.stop()
        return RefusedError(
            422,
            "Image cannot be mapped",
            "The process that worked on the image ended before it was done: the image is damaged, or needs more memory "
            "than is allowed here.",
        )


def _read_messages(child: subprocess.Popen[str], messages: SimpleQueue[Message | None]) -> None:
    assert child.stdout is not None, "a pipe"
    try:
        for line in child.stdout:
            messages.put(json.loads(line))
    except ValueError:
        # No JSON, or the pipe was closed: nothing that this process says is believed any more.
        child.kill()
    messages.put(None)


def _close(pipe: Any) -> None:
    try:
        pipe.close()
    except OSError:
        # What was still to be flushed had no reader.
        return
