"""Results, and the files made of one on demand: another threshold, a clean-up, vectors, areas, metrics.

Everything comes from a workflow, is made once, and lies in the session's private folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from overland.bundle import ModelBundle
from overland.legend import Legend
from overland.raster import Grid, open_scene
from overland.workflows.apply_threshold import apply_threshold
from overland.workflows.areas import AreasResult, areas
from overland.workflows.postprocess import postprocess
from overland.workflows.vectorize import VectorizeResult, vectorize

__all__ = ["Cache", "CleanUpOptions", "MapState", "MappedImage", "VectorKind"]

_KEPT = 24
_KEPT_PICTURES = 8
CleanUpOptions = Mapping[str, Any]
"""Options of `postprocess`."""
VectorKind = Literal["polygons", "roads"]
"""What `vectorize` makes of a map."""
_Value = TypeVar("_Value")


class Cache:
    """Values by their keys; of more than `size` the one not asked for longest goes, with its file.

    Args:
        size: Most values that are kept.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._values: dict[str, Any] = {}

    def once(self, key: str, make: Callable[[], _Value]) -> _Value:
        """Return the value of a key, made when it is first asked for.

        Args:
            key: The key; one key always has one type of value.
            make: Makes the value.
        """
        value: _Value = self._values.pop(key) if key in self._values else make()
        self._values[key] = value
        while len(self._values) > self.size:
            oldest = self._values.pop(next(iter(self._values)))
            # A file is remembered as its path, or as a pair of its path and its result.
            path = oldest[0] if isinstance(oldest, tuple) and oldest else oldest
            if isinstance(path, Path):
                path.unlink(missing_ok=True)
                Path(f"{path}.aux.xml").unlink(missing_ok=True)
        return value


@dataclass
class MappedImage:
    """One image mapped by one model.

    Args:
        name: Name that the user gave the image.
        model: Name of the model.
        bundle: The model.
        image: The image as the model saw it.
        mask: Its class map.
        probabilities: The probabilities; None where they were not kept.
        folder: Private folder of what is made of it.
        values: Result of the run: areas, size, speed.
        made: Files and values made of it.
        pictures: Pictures of it.
    """

    name: str
    model: str
    bundle: ModelBundle
    image: Path
    mask: Path
    probabilities: Path | None
    folder: Path
    values: Mapping[str, Any] = field(default_factory=dict)
    made: Cache = field(default_factory=lambda: Cache(_KEPT))
    pictures: Cache = field(default_factory=lambda: Cache(_KEPT_PICTURES))

    @property
    def legend(self) -> Legend:
        """The model's classes."""
        return self.bundle.legend

    @property
    def grid(self) -> Grid:
        """The grid of the image."""

        def read() -> Grid:
            with open_scene(self.mask) as scene:
                return scene.grid

        return self.made.once("grid", read)

    @property
    def is_empty(self) -> bool:
        """True where the image holds no data, so that nothing could be mapped."""
        return self.values.get("areas", ()) is None

    @property
    def stem(self) -> str:
        """The start of the names of downloads: letters and digits of the image's name."""
        words = "".join(mark if mark.isalnum() and mark.isascii() else " " for mark in Path(self.name).stem).split()
        return "-".join(words)[:60].lower() or "map"

    def file(self, suffix: str, *parts: Any) -> Path:
        """Return a path in the folder for a file that is made with certain parameters.

        Args:
            suffix: Suffix of the file.
            *parts: The parameters, as JSON can hold them.
        """
        digest = hashlib.sha256(json.dumps([str(self.mask), *parts]).encode()).hexdigest()[:16]
        return self.folder / f"{digest}{suffix}"


@dataclass(frozen=True)
class MapState:
    """A result as the controls show it.

    Args:
        result: The result.
        threshold: Threshold of a two-class model; None for the tuned one.
        cleanup: Options of `postprocess`; empty for none.
    """

    result: MappedImage
    threshold: float | None = None
    cleanup: CleanUpOptions = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Text that differs between any two states of a result."""
        return json.dumps([self.threshold, dict(self.cleanup)])

    @property
    def mask(self) -> Path:
        """The class map in this state."""
        return self.cleaned(self.cleanup)[0]

    @property
    def changed_fraction(self) -> float | None:
        """The fraction of pixels that the clean-up changed; None without one."""
        return self.cleaned(self.cleanup)[1]

    @property
    def areas(self) -> AreasResult:
        """Areas of the classes."""
        return self.result.made.once(f"areas {self.key}", lambda: areas(self.mask))

    def cleaned(self, cleanup: CleanUpOptions) -> tuple[Path, float | None]:
        """Return the class map after another clean-up.

        Args:
            cleanup: Options of `postprocess`; empty for none.

        Returns:
            The class map, and the fraction of pixels that the clean-up changed; None without one.
        """
        result, threshold = self.result, self.threshold
        source = result.mask
        if threshold is not None and threshold != result.bundle.threshold and result.probabilities is not None:
            decided, probabilities = result.file(".tif", "threshold", threshold), result.probabilities

            def decide() -> Path:
                apply_threshold(result.bundle, probabilities, decided, threshold, overwrite=True)
                return decided

            source = result.made.once(f"threshold {threshold}", decide)
        if not cleanup:
            return source, None
        output = self.result.file(".tif", "clean", self.threshold, dict(cleanup))

        def make() -> tuple[Path, float | None]:
            return output, postprocess(source, output, overwrite=True, **cleanup).changed_fraction

        return self.result.made.once(f"clean {self.threshold} {dict(cleanup)}", make)

    def vectors(self, kind: VectorKind, suffix: str = ".gpkg") -> tuple[Path, VectorizeResult]:
        """Return the roads or the polygons of the class map.

        Args:
            kind: "roads" or "polygons".
            suffix: Suffix of the file, which decides the format.

        Returns:
            The file, and the result of `vectorize`.
        """
        output = self.result.file(suffix, kind, self.key)

        def make() -> tuple[Path, VectorizeResult]:
            probabilities = self.result.probabilities
            return output, vectorize(self.mask, output, kind=kind, probabilities=probabilities, overwrite=True)

        return self.result.made.once(f"{kind} {suffix} {self.key}", make)

    def vector_bytes(self, kind: VectorKind, suffix: str) -> bytes:
        """Return the file of the roads or the polygons of the class map.

        Args:
            kind: "roads" or "polygons".
            suffix: Suffix of the file, which decides the format.
        """
        return self.vectors(kind, suffix)[0].read_bytes()
