"""Samples: a few windows spread over scenes, to measure a network on what it will see."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.bundle import ModelBundle
from overland.inference.fit import check_scene, wants_palette_colors
from overland.raster import Scene, Window, open_scene

__all__ = ["Chip", "sample_chips"]

Chip = tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]
"""Pixels (bands, height, width) as stored, and where they hold data (height, width)."""

_LEAST_DATA = 0.5


def sample_chips(
    bundle: ModelBundle,
    sources: Sequence[str | Path],
    *,
    side: int,
    count: int,
    bands: Sequence[int] | None = None,
) -> list[Chip]:
    """Read about `count` chips of `side` x `side` pixels from scenes that fit a bundle, the same ones every time.

    They do not overlap, are spread over the scenes and over each of them, and at least half of each holds data; there
    are fewer where the scenes have no more. A scene smaller than a chip is filled up by reflection. `bands` are as in
    `check_scene`. Returns pixels (bands, side, side) as stored and where they hold data (side, side). Raises
    `DataError` for a scene that does not fit the model.
    """
    chosen = [sources[index] for index in _spread(len(sources), count)]
    shares = [count * (index + 1) // len(chosen) - count * index // len(chosen) for index in range(len(chosen))]
    chips: list[Chip] = []
    for source, share in zip(chosen, shares, strict=True):
        with open_scene(source, expand_palette=wants_palette_colors(bundle)) as scene:
            chips += islice(_iter_chips(scene, check_scene(bundle, scene, bands), side), share)
    return chips


def _iter_chips(scene: Scene, bands: Sequence[int], side: int) -> Iterator[Chip]:
    corners = [(row, col) for row in _offsets(scene.height, side) for col in _offsets(scene.width, side)]
    for index in np.random.default_rng(0).permutation(len(corners)):
        row, col = corners[index]
        pixels, valid = scene.read_padded(Window(row, col, side, side), bands)
        if valid.mean() >= _LEAST_DATA:
            yield pixels, valid


def _offsets(length: int, side: int) -> list[int]:
    if length <= side:
        return [(length - side) // 2]
    return [round(offset) for offset in np.linspace(0, length - side, length // side)]


def _spread(length: int, count: int) -> list[int]:
    return [round(index) for index in np.linspace(0, length - 1, min(length, count))]
