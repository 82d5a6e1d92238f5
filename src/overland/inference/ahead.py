"""Two threads beside the model: one reads ahead, one writes behind. Each holds one piece of work: memory is bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

__all__ = ["read_ahead", "write_behind"]

T = TypeVar("T")


@contextmanager
def read_ahead(items: Iterable[T]) -> Iterator[Iterator[T]]:
    """Iterate with the next item made in a thread while the present one is used; errors arrive where it is used."""
    with ThreadPoolExecutor(1, thread_name_prefix="overland-read") as thread:
        yield _iter_ahead(items, thread)


@contextmanager
def write_behind() -> Iterator[Callable[..., None]]:
    """Give a function that calls another one in a thread; it waits for the call before, and raises what that raised."""
    with ThreadPoolExecutor(1, thread_name_prefix="overland-write") as thread:
        pending: list[Future[None]] = []

        def submit(function: Callable[..., None], *arguments: Any) -> None:
            if pending:
                pending.pop().result()
            pending.append(thread.submit(function, *arguments))

        yield submit
        if pending:
            pending.pop().result()


def _iter_ahead(items: Iterable[T], thread: ThreadPoolExecutor) -> Iterator[T]:
    iterator = iter(items)
    ahead = thread.submit(_next_of, iterator)
    while item := ahead.result():
        ahead = thread.submit(_next_of, iterator)
        yield item[0]


def _next_of(iterator: Iterator[T]) -> tuple[T] | None:
    for item in iterator:
        return (item,)
    return None
