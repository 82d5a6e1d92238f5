"""A worker process as the server sees it: started when needed, killed when it is slow, replaced when it dies."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

from overland.web.refusals import TooSlowError, UnavailableError, refusal_from_dict
from overland.web.sandbox.hardening import worker_environment

__all__ = ["InterruptedJobError", "WorkerDiedError", "WorkerProcess"]

logger = logging.getLogger(__name__)

_START_S = 120.0
_LOOK_EVERY_S = 0.05

Message = dict[str, Any]


class InterruptedJobError(Exception):
    """The work was stopped on purpose: cancelled, or the server stops."""


class WorkerDiedError(Exception):
    """The worker process ended while it worked."""


class WorkerProcess:
    """One child process that answers one request at a time. Use it from one thread.

    Args:
        memory_mb: What it may take beyond its libraries, in megabytes.
        is_background: Whether the other processes of the machine go first.
    """

    def __init__(self, memory_mb: int, *, is_background: bool = False) -> None:
        self._arguments = [str(memory_mb), *(["--background"] if is_background else [])]
        self._child: subprocess.Popen[str] | None = None
        self._messages: SimpleQueue[Message | None] = SimpleQueue()
        self.is_ready = False

    @property
    def pid(self) -> int | None:
        """The process id; None while there is none."""
        return None if self._child is None else self._child.pid

    def start(self, is_stopped: Callable[[], bool]) -> None:
        """Start the process where it does not run, and wait until it is ready.

        Args:
            is_stopped: Returns True when nobody waits for it any more.

        Raises:
            UnavailableError: It does not start.
            InterruptedJobError: `is_stopped` returned True.
        """
        if self._child is not None and self._child.poll() is None:
            return
        self.stop()
        self._child = subprocess.Popen(
            [sys.executable, "-m", "overland.web.sandbox.worker", *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=worker_environment(),
        )
        self._messages = SimpleQueue()
        threading.Thread(target=_read_messages, args=(self._child, self._messages), daemon=True).start()
        try:
            message = self._next(time.monotonic() + _START_S, is_stopped)
        except (WorkerDiedError, TooSlowError):
            message = {}
        if "ready" not in message:
            self.stop()
            raise UnavailableError(
                "The worker process does not start; see the server's log.", title="No worker", retry_after_s=10
            )
        self.is_ready = True

    def run(
        self,
        request: Mapping[str, Any],
        *,
        timeout_s: float,
        is_stopped: Callable[[], bool],
        on_progress: Callable[[float], None],
    ) -> Message:
        """Have a request worked on.

        Args:
            request: Plain values, see `overland.web.sandbox.tasks`.
            timeout_s: Longest time that it may take, in seconds.
            is_stopped: Returns True when the work is to be stopped.
            on_progress: Called with the fraction that is done.

        Returns:
            The values that the worker answered.

        Raises:
            RefusedError: The worker refused the request.
            TooSlowError: It took longer than `timeout_s`; the process is killed.
            WorkerDiedError: The process ended.
            InterruptedJobError: `is_stopped` returned True; the process is killed.
        """
        deadline = time.monotonic() + timeout_s
        assert self._child is not None, "started"
        assert self._child.stdin is not None, "a pipe"
        try:
            self._child.stdin.write(json.dumps(request) + "\n")
            self._child.stdin.flush()
        except BrokenPipeError:
            raise self._died() from None
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
            # What was still to be flushed has no reader.
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()

    def _next(self, deadline: float, is_stopped: Callable[[], bool]) -> Message:
        while True:
            try:
                message = self._messages.get(timeout=_LOOK_EVERY_S)
            except Empty:
                if is_stopped():
                    self.stop()
                    raise InterruptedJobError from None
                if time.monotonic() > deadline:
                    self.stop()
                    raise TooSlowError("The work took longer than is allowed here; send a smaller image.") from None
                continue
            if message is None:
                raise self._died()
            return message

    def _died(self) -> WorkerDiedError:
        code = None if self._child is None else self._child.wait()
        logger.warning("A worker process ended with code %s and is replaced.", code)
        self.stop()
        return WorkerDiedError(f"The worker process ended with code {code}.")


def _read_messages(child: subprocess.Popen[str], messages: SimpleQueue[Message | None]) -> None:
    assert child.stdout is not None, "a pipe"
    try:
        for line in child.stdout:
            messages.put(json.loads(line))
    except ValueError:
        # No JSON, or the pipe was closed: nothing that this process says is believed any more.
        child.kill()
    messages.put(None)
