"""A result, and what is made of it on demand: another threshold, a clean-up, vectors, areas, scores, files.

Everything comes from a workflow, is made once, and lies in the session's private folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from overland.bundle import ModelBundle
from overland.legend import Legend
from overland.raster import Grid, open_scene
from overland.workflows.apply_threshold import apply_threshold
from overland.workflows.areas import measure_areas
from overland.workflows.postprocess import postprocess
from overland.workflows.vectorize import vectorize

__all__ = ["CleanUpOptions", "MapState", "Memory", "Result"]

_KEPT = 24
_KEPT_PICTURES = 8
CleanUpOptions = Mapping[str, Any]


class Memory:
    """What was made under a key; of more than `size` values the one not asked for longest goes, with its file."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: dict[str, Any] = {}

    def once(self, key: str, make: Callable[[], Any]) -> Any:
        """What `make` gave when it was first asked for under this key."""
        value = self._values.pop(key) if key in self._values else make()
        self._values[key] = value
        while len(self._values) > self._size:
            _remove_file(self._values.pop(next(iter(self._values))))
        return value


@dataclass
class Result:
    """One image mapped by one model.

    `name` is what the visitor called it, `folder` where files made of it go. `values` is what the run said of itself.
    """

    name: str
    model: str
    bundle: ModelBundle
    image: Path
    mask: Path
    scores: Path | None
    folder: Path
    values: Mapping[str, Any] = field(default_factory=dict)
    made: Memory = field(default_factory=lambda: Memory(_KEPT))
    pictures: Memory = field(default_factory=lambda: Memory(_KEPT_PICTURES))

    @property
    def legend(self) -> Legend:
        """The model's classes."""
        return self.bundle.legend

    @property
    def grid(self) -> Grid:
        """The grid of the image."""
        grid: Grid = self.made.once("grid", lambda: _grid_of(self.mask))
        return grid

    @property
    def is_empty(self) -> bool:
        """Whether the image holds no data, so that nothing could be mapped."""
        return self.values.get("areas", ()) is None

    @property
    def stem(self) -> str:
        """The start of the names of downloads: letters and digits of the image's name."""
        words = "".join(mark if mark.isalnum() and mark.isascii() else " " for mark in Path(self.name).stem).split()
        return "-".join(words)[:60].lower() or "map"

    def file(self, suffix: str, *parts: Any) -> Path:
        """A path in the folder for what is made with these parameters."""
        digest = hashlib.sha256(json.dumps([str(self.mask), *parts]).encode()).hexdigest()[:16]
        return self.folder / f"{digest}{suffix}"


@dataclass(frozen=True)
class MapState:
    """A result as the controls show it: its threshold, and its clean-up (options of `postprocess`; none when empty)."""

    result: Result
    threshold: float | None = None
    cleanup: CleanUpOptions = field(default_factory=dict)

    @property
    def key(self) -> str:
        """What tells two states of a result apart."""
        return json.dumps([self.threshold, dict(self.cleanup)])

    @property
    def mask(self) -> Path:
        """The class map in this state."""
        return self.cleaned(self.cleanup)[0]

    @property
    def changed_share(self) -> float | None:
        """The share of pixels that the clean-up changed; None without one."""
        return self.cleaned(self.cleanup)[1]

    @property
    def areas(self) -> dict[str, Any]:
        """What `measure_areas` says of the class map."""
        found: dict[str, Any] = self.result.made.once(f"areas {self.key}", lambda: measure_areas(self.mask))
        return found

    def cleaned(self, cleanup: CleanUpOptions) -> tuple[Path, float | None]:
        """The class map after another clean-up, and the share of pixels that it changed."""
        source = self._decided()
        if not cleanup:
            return source, None
        output = self.result.file(".tif", "clean", self.threshold, dict(cleanup))

        def make() -> tuple[Path, float | None]:
            values = postprocess(source, output, overwrite=True, **cleanup)
            return output, values["changed_share"]

        found: tuple[Path, float | None] = self.result.made.once(f"clean {self.threshold} {dict(cleanup)}", make)
        return found

    def vectors(self, kind: str, suffix: str = ".gpkg") -> tuple[Path, dict[str, Any]]:
        """The file of roads or polygons (`kind` as in `vectorize`), and what is in it."""
        output = self.result.file(suffix, kind, self.key)

        def make() -> tuple[Path, dict[str, Any]]:
            return output, vectorize(self.mask, output, kind=kind, scores=self.result.scores, overwrite=True)

        found: tuple[Path, dict[str, Any]] = self.result.made.once(f"{kind} {suffix} {self.key}", make)
        return found

    def _decided(self) -> Path:
        result, threshold = self.result, self.threshold
        if threshold is None or threshold == result.bundle.threshold or result.scores is None:
            return result.mask
        output, scores = result.file(".tif", "threshold", threshold), result.scores

        def make() -> Path:
            apply_threshold(result.bundle, scores, output, threshold, overwrite=True)
            return output

        decided: Path = result.made.once(f"threshold {threshold}", make)
        return decided


def _grid_of(path: Path) -> Grid:
    with open_scene(path) as scene:
        return scene.grid


def _remove_file(value: Any) -> None:
    # A file is remembered as its path, or as a pair of its path and what is in it.
    path = value[0] if isinstance(value, tuple) and value else value
    if isinstance(path, Path):
        path.unlink(missing_ok=True)
        Path(f"{path}.aux.xml").unlink(missing_ok=True)
