"""Threads beside the model: some compute windows, one reads ahead, one writes behind. What each holds is bounded.

Whoever leaves one of these blocks, by an error too, waits for what is running and drops what has not begun: no thread
outlives its block.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

__all__ = ["BackgroundWriter", "Prefetch", "map_in_threads", "prefetch", "worker_threads", "write_in_background"]

T = TypeVar("T")
R = TypeVar("R")


class Prefetch(Generic[T]):
    """An iterator over items that a thread makes ahead; errors arrive where their item is used, or in `check`."""

    def __init__(self, items: Iterable[T], depth: int, thread: ThreadPoolExecutor) -> None:
        self._items, self._thread = iter(items), thread
        self._ahead = deque(self._submit() for _ in range(depth))

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        item = self._ahead.popleft().result()
        if item is None:
            raise StopIteration
        self._ahead.append(self._submit())
        return item[0]

    def check(self) -> None:
        """Raise an error that lies ahead now, before the items in front of it are used up."""
        for future in self._ahead:
            if future.done():
                future.result()

    def _submit(self) -> Future[tuple[T] | None]:
        return self._thread.submit(_next_of, self._items)


class BackgroundWriter:
    """Calls functions in a thread, in order. One waits at most: `submit` returns when the call before has begun."""

    def __init__(self, thread: ThreadPoolExecutor) -> None:
        self._thread = thread
        self._pending: Future[None] | None = None

    def submit(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call a function when the call before is done; raises what that one raised."""
        self.finish()
        self._pending = self._thread.submit(function, *arguments)

    def check(self) -> None:
        """Raise what a call has raised, without waiting for one."""
        if self._pending is not None and self._pending.done():
            self.finish()

    def finish(self) -> None:
        """Wait for the last call; raises what it raised."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()


@contextmanager
def prefetch(items: Iterable[T], depth: int = 1) -> Iterator[Prefetch[T]]:
    """Iterate with up to `depth` items made in a thread while the present one is used."""
    with _threads(1, "read") as thread:
        yield Prefetch(items, depth, thread)


@contextmanager
def write_in_background() -> Iterator[BackgroundWriter]:
    """Give what calls functions in a thread; all calls are done when the block is left, after an error too.

    What was handed over is finished work: it is kept when a later step fails.
    """
    with _threads(1, "write", drop=False) as thread:
        writer = BackgroundWriter(thread)
        yield writer
        writer.finish()


@contextmanager
def worker_threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that compute."""
    with _threads(count, "score") as threads:
        yield threads


def map_in_threads(
    function: Callable[[T], R],
    items: Iterable[T],
    threads: ThreadPoolExecutor,
    *,
    busy: int,
    queued: int | None = None,
    is_light: Callable[[T], bool] = lambda item: False,
) -> Iterator[tuple[T, R]]:
    """Call a function on items in threads; gives each item with its result, in the order of the items.

    While the oldest result is waited for, up to `busy` calls beside it are under way, of which one waits for a thread:
    none idles. Light items take no thread, as their call takes no time. No more than `queued` items are held in all.
    """
    held: deque[_Call[T, R]] = deque()
    calls = 0
    for item in items:
        call = _called(function, item) if is_light(item) else _Call(item, threads.submit(function, item), 1)
        held.append(call)
        calls += call.threads
        # What is given away is not to be held here as well.
        del item, call
        while held and (calls > busy or held[0].threads == 0 or (queued is not None and len(held) > queued)):
            calls -= held[0].threads
            yield held.popleft().outcome()
    while held:
        yield held.popleft().outcome()


@dataclass(frozen=True)
class _Call(Generic[T, R]):
    item: T
    future: Future[R]
    threads: int

    def outcome(self) -> tuple[T, R]:
        return self.item, self.future.result()


def _called(function: Callable[[T], R], item: T) -> _Call[T, R]:
    future: Future[R] = Future()
    future.set_result(function(item))
    return _Call(item, future, 0)


@contextmanager
def _threads(count: int, name: str, *, drop: bool = True) -> Iterator[ThreadPoolExecutor]:
    threads = ThreadPoolExecutor(count, thread_name_prefix=f"overland-{name}")
    try:
        yield threads
    finally:
        threads.shutdown(cancel_futures=drop)


def _next_of(iterator: Iterator[T]) -> tuple[T] | None:
    for item in iterator:
        return (item,)
    return None
