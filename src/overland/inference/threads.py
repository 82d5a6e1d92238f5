"""Threads beside the model: some compute windows, one reads ahead, one writes behind. What each holds is bounded.

Whoever leaves one of these blocks, by an error too, waits for what is running and drops what has not begun: no thread
outlives its block. Two ends are different. After Ctrl-C threads that compute get two seconds. And where nothing is
finished for a long time (`Watchdog`), a thread hangs in a native library: it is reported where, and left behind. The
threads are daemons, so that one left behind cannot keep the process alive.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from overland.errors import OverlandError

__all__ = [
    "BackgroundWriter",
    "Prefetch",
    "StalledError",
    "Watchdog",
    "WorkerThreads",
    "map_in_threads",
    "prefetch",
    "thread_report",
    "worker_threads",
    "write_in_background",
]

T = TypeVar("T")
R = TypeVar("R")

# Generous: eight views of the largest window take two minutes on one slow processor.
_STALLED_AFTER_S = 600.0
_LOOK_EVERY_S = 1.0
_INTERRUPTED_WAIT_S = 2.0
_SHOWN_FRAMES = 2


class StalledError(OverlandError):
    """Nothing was finished for so long that a thread must hang."""


class Watchdog:
    """Ends a run in which nothing is finished any more.

    Args:
        limit_s: Seconds without anything finished after which a wait ends in `StalledError`; by default 600, or what
            the environment variable `OVERLAND_STALLED_AFTER` says.
    """

    def __init__(self, limit_s: float | None = None) -> None:
        self.limit_s = limit_s or float(os.environ.get("OVERLAND_STALLED_AFTER") or _STALLED_AFTER_S)
        self._last = time.monotonic()

    def beat(self) -> None:
        """Take note that something was finished."""
        self._last = time.monotonic()

    def result(self, future: Future[R]) -> R:
        """Wait for a call.

        Args:
            future: The call.

        Returns:
            What it returns; what it raises is raised.

        Raises:
            StalledError: No call that beats here was finished within the limit.
        """
        while True:
            try:
                return future.result(timeout=min(_LOOK_EVERY_S, self.limit_s))
            except TimeoutError:
                if future.done():  # it is the call's own error, or it was done just now
                    return future.result()
            idle = time.monotonic() - self._last
            if idle > self.limit_s:
                raise StalledError(
                    f"Nothing was finished for {idle:.0f} seconds, so the run was stopped. {thread_report()} "
                    "Finished rows are kept; the same command continues there."
                )


def thread_report() -> str:
    """Describe where each thread of this process is.

    Returns:
        A sentence with the innermost lines of Python of each thread.
    """
    frames = sys._current_frames()
    places = []
    for thread in threading.enumerate():
        lines: list[str] = []
        frame = frames.get(thread.ident or 0)
        while frame is not None and len(lines) < _SHOWN_FRAMES:
            place = Path(frame.f_code.co_filename)
            # That it waits for a lock or an event is plain; who asked it to is not.
            if place.name not in ("threading.py", Path(__file__).name):
                lines.append(f"{place.name}:{frame.f_lineno} {frame.f_code.co_name}")
            frame = frame.f_back
        places.append(f"{thread.name} in {' < '.join(lines) or 'a wait'}")
    return f"Threads: {'; '.join(places)}."


class WorkerThreads:
    """A fixed number of threads that call functions, in the order in which they are submitted.

    Args:
        count: Number of threads.
        name: What they do, for their names.
        watchdog: Hears of each call that is finished.
    """

    def __init__(self, count: int, name: str, watchdog: Watchdog) -> None:
        self._watchdog = watchdog
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"overland-{name}-{index}", daemon=True) for index in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, function: Callable[..., R], *arguments: Any) -> Future[R]:
        """Call a function in one of the threads.

        Args:
            function: The function.
            *arguments: Its arguments.

        Returns:
            The call; `result` waits for it.
        """
        future: Future[R] = Future()

        def call() -> None:
            nonlocal function, arguments
            if not future.set_running_or_notify_cancel():
                return
            try:
                value = function(*arguments)
            except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
                future.set_exception(error)
            else:
                self._watchdog.beat()
                future.set_result(value)
            # What was computed is not to be held until the next call.
            del function, arguments

        self._calls.put(call)
        return future

    def result(self, future: Future[R]) -> R:
        """Wait for a call; raises its error, or `StalledError`.

        Args:
            future: The call.

        Returns:
            What it returned.
        """
        return self._watchdog.result(future)

    def close(self, *, drop: bool, wait_s: float | None) -> None:
        """End the threads.

        Args:
            drop: Whether calls that have not begun are left out.
            wait_s: Seconds to wait for calls that are running; None waits as long as they take.
        """
        if drop:
            while True:
                try:
                    self._calls.get_nowait()
                except Empty:
                    break
        for _ in self._threads:
            self._calls.put(None)
        deadline = None if wait_s is None else time.monotonic() + wait_s
        for thread in self._threads:
            thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
            del call


class Prefetch(Generic[T]):
    """An iterator over items that a thread makes in advance; errors arrive where their item is used, or in `check`."""

    def __init__(self, items: Iterable[T], depth: int, thread: WorkerThreads) -> None:
        self._items, self._thread = iter(items), thread
        self._waiting = deque(self._submit() for _ in range(depth))

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        item = self._thread.result(self._waiting.popleft())
        if item is None:
            raise StopIteration
        self._waiting.append(self._submit())
        return item[0]

    def check(self) -> None:
        """Raise an error that lies ahead now, before the items in front of it are used up."""
        for future in self._waiting:
            if future.done():
                future.result()

    def _submit(self) -> Future[tuple[T] | None]:
        return self._thread.submit(_next_of, self._items)


class BackgroundWriter:
    """Calls functions in a thread, in order. One waits at most: `submit` returns when the call before has begun."""

    def __init__(self, thread: WorkerThreads) -> None:
        self._thread = thread
        self._pending: Future[None] | None = None

    def submit(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call a function when the call before is done; raises the error of that one.

        Args:
            function: The function.
            *arguments: Its arguments.
        """
        self.finish()
        self._pending = self._thread.submit(function, *arguments)

    def check(self) -> None:
        """Raise the error of a call that has failed, without waiting for one."""
        if self._pending is not None and self._pending.done():
            self.finish()

    def finish(self) -> None:
        """Wait for the last call; raises its error."""
        pending, self._pending = self._pending, None
        if pending is not None:
            self._thread.result(pending)


@contextmanager
def prefetch(items: Iterable[T], depth: int = 1, *, watchdog: Watchdog | None = None) -> Iterator[Prefetch[T]]:
    """Iterate over items that a thread makes in advance.

    Args:
        items: The items; they are made in the thread.
        depth: Number of items that are made while the present one is used.
        watchdog: Hears of each item.

    Yields:
        An iterator over the items.
    """
    with _threads(1, "read", watchdog, interruptible=False) as thread:
        yield Prefetch(items, depth, thread)


@contextmanager
def write_in_background(*, watchdog: Watchdog | None = None) -> Iterator[BackgroundWriter]:
    """Call functions in a thread; all calls are done when the block is left, after an error too.

    What was handed over is finished work: it is kept when a later step fails.

    Args:
        watchdog: Hears of each call that is finished.

    Yields:
        The writer.
    """
    with _threads(1, "write", watchdog, drop=False, interruptible=False) as thread:
        writer = BackgroundWriter(thread)
        yield writer
        writer.finish()


@contextmanager
def worker_threads(count: int, *, watchdog: Watchdog | None = None) -> Iterator[WorkerThreads]:
    """Start threads that compute.

    Args:
        count: Their number.
        watchdog: Hears of each call that is finished.

    Yields:
        The threads.
    """
    with _threads(count, "compute", watchdog) as threads:
        yield threads


def map_in_threads(
    function: Callable[[T], R],
    items: Iterable[T],
    threads: WorkerThreads,
    *,
    busy: int,
    queued: int | None = None,
    is_light: Callable[[T], bool] = lambda item: False,
) -> Iterator[tuple[T, R]]:
    """Call a function on items in threads, and give the results in the order of the items.

    While the oldest result is waited for, up to `busy` calls beside it are under way, of which one waits for a thread:
    none idles.

    Args:
        function: The function.
        items: Its arguments.
        threads: The threads.
        busy: Number of calls that are under way at once.
        queued: Number of items that are held at most, finished ones included; any number by default.
        is_light: Whether the call of an item takes no time; then it takes no thread.

    Yields:
        Each item with its result.
    """
    held: deque[_Call[T, R]] = deque()
    calls = 0
    for item in items:
        if is_light(item):
            done: Future[R] = Future()
            done.set_result(function(item))
            call = _Call(item, done, 0)
        else:
            call = _Call(item, threads.submit(function, item), 1)
        held.append(call)
        calls += call.threads
        # What is given away is not to be held here as well.
        del item, call
        while held and (calls > busy or held[0].threads == 0 or (queued is not None and len(held) > queued)):
            calls -= held[0].threads
            yield held.popleft().outcome(threads)
    while held:
        yield held.popleft().outcome(threads)


@dataclass(frozen=True)
class _Call(Generic[T, R]):
    item: T
    future: Future[R]
    threads: int

    def outcome(self, threads: WorkerThreads) -> tuple[T, R]:
        return self.item, threads.result(self.future)


@contextmanager
def _threads(
    count: int, name: str, watchdog: Watchdog | None, *, drop: bool = True, interruptible: bool = True
) -> Iterator[WorkerThreads]:
    threads = WorkerThreads(count, name, watchdog or Watchdog())
    try:
        yield threads
    except StalledError:
        threads.close(drop=True, wait_s=_INTERRUPTED_WAIT_S)
        raise
    except KeyboardInterrupt:
        # A reader has to end before its file is closed, a writer has finished work; a window under way is lost anyway.
        threads.close(drop=drop, wait_s=_INTERRUPTED_WAIT_S if interruptible else None)
        raise
    except BaseException:
        threads.close(drop=drop, wait_s=None)
        raise
    threads.close(drop=drop, wait_s=None)


def _next_of(iterator: Iterator[T]) -> tuple[T] | None:
    for item in iterator:
        return (item,)
    return None
