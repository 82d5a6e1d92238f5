"""Limits bound the requests of clients; the models on offer are bundles in folders, known by names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from overland.bundle import ModelBundle, load_bundle
from overland.errors import UsageError
from overland.pretrained import pretrained_models

__all__ = ["Limits", "find_models"]


@dataclass(frozen=True)
class Limits:
    """Bounds of an upload, of the work on it and of kept results; each is enforced before the cost arises.

    Args:
        max_bytes: Largest upload, in bytes  [default: 256M].
        max_pixels: Largest image, width times height  [default: 100M].
        max_bands: Most bands of an image.
        memory_mb: What one worker process may take beyond its libraries, in megabytes (enforced on Linux).
        timeout_s: Longest work on one image, in seconds.
        queue: How many jobs may wait, in each of the two lanes.
        per_client: How many jobs of one client may wait or be worked on at once.
        workers: How many small images are mapped at once; each worker uses all processors.
        large_workers: How many large images are mapped at once, beside the small ones and at a lower priority.
        keep_s: How long a job that has ended is kept, in seconds.
        sync_pixels: Largest image that counts as small, width times height: a client may wait for its map, and it
            never waits behind larger ones  [default: 4.2M].
        wait_s: Longest that a client waits for a map in one request, in seconds.

    Raises:
        UsageError: A limit is not more than 0.
    """

    max_bytes: int = 256_000_000
    max_pixels: int = 100_000_000
    max_bands: int = 16
    memory_mb: int = 4096
    timeout_s: float = 600.0
    queue: int = 64
    per_client: int = 32
    workers: int = 1
    large_workers: int = 1
    keep_s: float = 3600.0
    sync_pixels: int = 4_200_000
    wait_s: float = 60.0

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if not value > 0:
                raise UsageError(f"The limit {item.name} must be more than 0; got {value}.")


def find_models(folders: str | Path | Sequence[str | Path]) -> dict[str, ModelBundle]:
    """Find the bundles that folders are or hold, at any depth.

    Args:
        folders: Folders; the name of a pretrained model stands for its folder where there is no other of that name.

    Returns:
        The bundles by name: the name of the folder, with its parents' where that is not unique.

    Raises:
        UsageError: There is no bundle in any of them.
        DataError: A bundle is damaged.
    """
    given = [Path(folders)] if isinstance(folders, str | Path) else [Path(root) for root in folders]
    roots = [root if root.exists() else pretrained_models().get(str(root), root) for root in given]
    for root in roots:
        if not any(root.rglob("overland.json")):
            raise UsageError(f"There is no model in {root}; name a folder that holds bundles, or a pretrained model.")
    paths = sorted({path.parent.resolve() for root in roots for path in root.rglob("overland.json")})
    return {name: load_bundle(path) for name, path in _by_name(paths).items()}


def _by_name(paths: Sequence[Path], parts: int = 1) -> Mapping[str, Path]:
    names = ["-".join(path.parts[-parts:]) for path in paths]
    if len(set(names)) == len(names):
        return dict(zip(names, paths, strict=True))
    return _by_name(paths, parts + 1)
