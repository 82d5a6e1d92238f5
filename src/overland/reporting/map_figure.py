"""The map of a report: a scene made small, a mask and roads laid over it, and the area of each class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from pyproj import CRS, Transformer

from overland.errors import DataError
from overland.legend import Legend
from overland.raster import Grid, Scene, Window
from overland.raster.grid import iter_windows
from overland.report.display import Picture, display_rgb
from overland.vector import areas_m2, pixels_to_map

__all__ = [
    "ClassArea",
    "lines_to_overview",
    "overview_of_mask",
    "overview_of_scene",
    "overview_step",
    "shares_of_mask",
]

_WINDOW = 2048
_SIMPLIFY_PX = 0.25

Lines = npt.NDArray[np.object_]


@dataclass(frozen=True)
class ClassArea:
    """What one class covers: its share of the pixels with a class, and hectares where the map is georeferenced."""

    name: str
    color: tuple[int, int, int]
    share: float
    hectares: float | None


def overview_step(grid: Grid, max_side: int = 1600) -> int:
    """How many pixels along each axis become one, so that no side is longer than `max_side`."""
    return max(1, math.ceil(max(grid.height, grid.width) / max_side))


def overview_of_scene(scene: Scene, step: int) -> Picture:
    """A scene reduced by averaging `step` x `step` pixels that hold data; uint8 (height, width, 3), for the eye."""
    bands = scene.data_bands[:3] if len(scene.data_bands) >= 3 else scene.data_bands[:1]
    shape = _reduced_shape(scene.grid, step)
    pixels, share = np.zeros((len(bands), *shape), np.float32), np.zeros(shape, np.float32)
    for window in iter_windows(scene.height, scene.width, _WINDOW // step * step or step):
        values, valid = scene.read(window, bands)
        counts = _block_means(valid[None].astype(np.float32), step)
        sums = _block_means(np.where(valid, values, 0).astype(np.float32), step)
        rows, cols = window.row_off // step, window.col_off // step
        where = (slice(rows, rows + counts.shape[1]), slice(cols, cols + counts.shape[2]))
        share[where] = counts[0]
        pixels[(slice(None), *where)] = sums / np.maximum(counts, 1e-6)
    # 8-bit scenes keep their own brightness; display_rgb stretches every other type.
    return display_rgb(pixels.astype(np.uint8) if scene.dtype == "uint8" else pixels, share > 0)


def overview_of_mask(mask: Scene, legend: Legend, step: int) -> tuple[npt.NDArray[np.uint8], list[ClassArea]]:
    """A class map reduced by averaging its colours, RGBA (height, width, 4), and the area of each class.

    Background and pixels without a class are transparent. Areas count every pixel, by the rules of `vector.areas_m2`.
    """
    table = _premultiplied_colors(legend)
    overlay = np.zeros((4, *_reduced_shape(mask.grid, step)), np.float32)
    counts, areas = np.zeros(legend.num_classes), np.zeros(legend.num_classes)
    for window in iter_windows(mask.height, mask.width, _WINDOW // step * step or step):
        ids, valid = mask.read(window)
        ids = np.where(valid & (ids[0] < legend.num_classes), ids[0], 255).astype(np.uint8)
        found = np.bincount(ids.ravel(), minlength=256)[: legend.num_classes]
        counts += found
        areas += found * (_area_m2(mask.grid, window) / ids.size)
        means = _block_means(table[ids].transpose(2, 0, 1), step)
        rows, cols = window.row_off // step, window.col_off // step
        overlay[:, rows : rows + means.shape[1], cols : cols + means.shape[2]] = means
    overlay[:3] /= np.maximum(overlay[3], 1e-6)
    overlay[3] *= 255
    picture = np.rint(np.clip(overlay, 0, 255)).astype(np.uint8).transpose(1, 2, 0)
    return picture, _class_areas(legend, counts, areas if mask.grid.is_georeferenced else None)


def shares_of_mask(mask: Scene, step: int) -> dict[int, npt.NDArray[np.uint8]]:
    """For each class of a map how much of `step` x `step` pixels it fills, from 0 to 255: arrays (height, width)."""
    shape = _reduced_shape(mask.grid, step)
    shares: dict[int, npt.NDArray[np.uint8]] = {}
    for window in iter_windows(mask.height, mask.width, _WINDOW // step * step or step):
        ids, valid = mask.read(window)
        rows, cols = window.row_off // step, window.col_off // step
        for index in np.unique(ids[0][valid]).tolist():
            means = _block_means((valid & (ids[0] == index))[None].astype(np.float32), step)[0]
            share = shares.setdefault(int(index), np.zeros(shape, np.uint8))
            share[rows : rows + means.shape[0], cols : cols + means.shape[1]] = np.rint(means * 255)
    return shares


def lines_to_overview(lines: Lines, crs: str | None, grid: Grid, step: int) -> list[npt.NDArray[np.float64]]:
    """Coordinates (points, 2) of each line, across and down, in pixels of the overview.

    Lines in another CRS are transformed. Raises `DataError` when only one of both has a CRS.
    """
    if (crs is None) != (grid.crs is None):
        raise DataError(
            f"The lines have the CRS {crs} and the scene {grid.crs}; both or none need one to be drawn together."
        )
    if crs is not None and grid.crs is not None and CRS.from_user_input(crs) != CRS.from_user_input(grid.crs):
        move = Transformer.from_crs(crs, grid.crs, always_xy=True)
        lines = shapely.transform(lines, move.transform, interleaved=False)
    a, b, c, d, e, f = tuple(~grid.transform)[:6]

    def to_pixels(xs: Any, ys: Any) -> tuple[Any, Any]:
        return (a * xs + b * ys + c) / step, (d * xs + e * ys + f) / step

    moved = shapely.simplify(shapely.transform(lines, to_pixels, interleaved=False), _SIMPLIFY_PX)
    return [shapely.get_coordinates(line) for line in moved]


def _area_m2(grid: Grid, window: Window) -> float:
    # The sides are densified because a parallel, straight on the map, is no geodesic on the ground.
    outline = shapely.box(window.col_off, window.row_off, window.col_end, window.row_end)
    outline = shapely.segmentize(outline, max(window.height, window.width) / 16)
    return float(areas_m2(pixels_to_map(np.array([outline]), grid), grid.crs)[0])


def _class_areas(legend: Legend, counts: npt.NDArray[Any], areas: npt.NDArray[Any] | None) -> list[ClassArea]:
    total = max(counts.sum(), 1)
    hectares: Sequence[float | None] = [None] * legend.num_classes if areas is None else (areas / 1e4).tolist()
    shares = (counts / total).tolist()
    return [ClassArea(*row) for row in zip(legend.names, legend.colors, shares, hectares, strict=True)]


def _reduced_shape(grid: Grid, step: int) -> tuple[int, int]:
    return math.ceil(grid.height / step), math.ceil(grid.width / step)


def _block_means(values: npt.NDArray[np.float32], step: int) -> npt.NDArray[np.float32]:
    bands, height, width = values.shape
    padded = np.pad(values, ((0, 0), (0, -height % step), (0, -width % step)))
    means: npt.NDArray[np.float32] = padded.reshape(
        bands, padded.shape[1] // step, step, padded.shape[2] // step, step
    ).mean(axis=(2, 4))
    return means


def _premultiplied_colors(legend: Legend) -> npt.NDArray[np.float32]:
    # Averaging premultiplied colours keeps the edge of a class in its own colour instead of darkening it.
    table = np.zeros((256, 4), np.float32)
    for index, color in enumerate(legend.colors):
        if index != legend.background:
            table[index] = (*color, 1)
    return table
