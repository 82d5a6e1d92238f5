"""The models that a server offers: bundles found in folders, known by names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from http import HTTPStatus
from pathlib import Path
from typing import Any

from overland.bundle import ModelBundle, load_bundle
from overland.errors import OverlandError, UsageError
from overland.pretrained import pretrained_models

__all__ = [
    "Limits",
    "RefusedError",
    "find_models",
    "refusal_from_dict",
]


# What one stranger may ask of a server.


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


# What a stranger's request is refused with: an HTTP status, a title and one clear sentence.


class RefusedError(OverlandError):
    """A request that is not served: `status` is HTTP's, `title` names the kind, `detail` says what to do.

    413 too large, 415 no image, 422 an image that cannot be mapped, 404 unknown, 409 not ready, 429 busy, 503 stopping,
    504 too slow. `retry_after_s` says when to come again (429 and 503).
    """

    def __init__(self, status: int, title: str, detail: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.status = int(HTTPStatus(status))
        self.title = title
        self.detail = detail
        self.retry_after_s = retry_after_s

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `refusal_from_dict` reads them back."""
        return {"status": self.status, "title": self.title, "detail": self.detail}


def refusal_from_dict(values: Mapping[str, Any]) -> RefusedError:
    """Build a refusal from what `RefusedError.to_dict` gave."""
    return RefusedError(int(values["status"]), str(values["title"]), str(values["detail"]))


def find_models(folders: Path | Sequence[Path]) -> dict[str, ModelBundle]:
    """The bundles that folders are or hold, at any depth.

    The name of a model in the box stands for its folder where there is no other of that name. A model is known by the
    name of its folder, with its parents' where that is not unique. Raises `UsageError` where
    there is none, `DataError` for a damaged one.
    """
    given = [Path(folders)] if isinstance(folders, str | Path) else [Path(root) for root in folders]
    roots = [root if root.exists() else pretrained_models().get(str(root), root) for root in given]
    paths = sorted({path.parent.resolve() for root in roots for path in root.rglob("overland.json")})
    if not paths:
        raise UsageError(f"There is no model in {', '.join(map(str, roots))}; name a folder that holds bundles.")
    return {name: load_bundle(path) for name, path in _named(paths).items()}


def _named(paths: Sequence[Path], parts: int = 1) -> dict[str, Path]:
    names = ["-".join(path.parts[-parts:]) for path in paths]
    if len(set(names)) == len(names):
        return dict(zip(names, paths, strict=True))
    return _named(paths, parts + 1)
