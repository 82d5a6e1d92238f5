"""What one stranger may ask of a server."""

from __future__ import annotations

from dataclasses import dataclass, fields

from overland.errors import UsageError

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """Bounds of an upload, of the work on it and of what is kept; each is enforced before the cost arises.

    `max_bytes` is the size of an upload, `max_pixels` its width times height, `max_bands` its bands. `memory_mb` is
    what one worker process may take beyond its libraries (enforced on Linux), `timeout_s` the longest that it may work
    on one job. `queue` jobs may wait, `workers` are worked on at once (a worker uses all processors). A job that has
    ended is kept for `keep_s`. A synchronous request maps at most `sync_pixels` and waits `wait_s` at most.
    """

    max_bytes: int = 256_000_000
    max_pixels: int = 100_000_000
    max_bands: int = 16
    memory_mb: int = 4096
    timeout_s: float = 600.0
    queue: int = 32
    workers: int = 1
    keep_s: float = 3600.0
    sync_pixels: int = 4_200_000
    wait_s: float = 60.0

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if not value > 0:
                raise UsageError(f"The limit {item.name} must be more than 0; got {value}.")
