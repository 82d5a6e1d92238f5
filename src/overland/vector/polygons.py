"""A mask to polygons that share their borders, and buildings squared: outlines with right angles only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry import LinearRing, Polygon

from overland.raster.features import MaskData, shapes_from_mask, sieve_mask
from overland.vector.layer import Floats, Geometries, Ints

__all__ = [
    "polygons_from_mask",
    "regularized",
    "simplified_coverage",
]

Complexes = npt.NDArray[np.complex128]
"""Points and directions of the plane (n,): x + iy."""

# Of circles and turned rectangles of 6 to 24 pixels 95 % of the area stays, and more of larger ones, when triangles of
# this fraction of its square root may be cut off; below half a pixel none can.
_TOLERANCE_BY_SIDE = 0.14
_NO_CHANGE = 0.5
_COLLINEAR = 1e-6
# Of traced circles 99 in 100 have less than 0.32, of rectangles with a wing under heavy noise half more than 0.58.
_MIN_ALIGNMENT = 0.4
_MAX_AREA_CHANGE = 0.15
_MIN_IOU = 0.7


def polygons_from_mask(
    mask: npt.NDArray[np.integer], *, valid: MaskData | None = None, min_pixels: int, tolerance: float
) -> tuple[Geometries, Ints]:
    """Trace the regions of a mask as a coverage: polygons that share their borders exactly, without overlap or gap.

    It needs about 3 bytes a pixel next to the mask, and some 100 for each pixel edge on a border.

    Args:
        mask: Class ids (height, width), whole numbers.
        valid: Pixels that hold data (height, width), booleans; other pixels belong to no polygon. All by default.
        min_pixels: Regions with fewer pixels are first given to their largest neighbour; 1 keeps all.
        tolerance: Detail that is given up, in pixels: bends of an area below its square are removed, and 0 keeps the
            pixel edges.

    Returns:
        Polygons (n,) in pixel coordinates (x = column, y = row), holes included, and their class ids (n,).

    Source: Visvalingam and Whyatt 1993, Line generalisation by repeated elimination of points, on coverages as in
        GEOS 3.12.
    """
    sieved = sieve_mask(mask, min_pixels, valid=valid)
    polygons, ids = shapes_from_mask(sieved, valid=valid)
    return simplified_coverage(polygons, tolerance), ids


def simplified_coverage(polygons: Geometries, tolerance: float) -> Geometries:
    """Simplify polygons that were traced along pixel edges; neighbours keep one common border.

    A border of a small polygon is simplified less, so that small ones keep their area: of a round hut of 8 pixels a
    tolerance of 3 would leave 71 %.

    Args:
        polygons: Polygons (n,) in pixel coordinates whose vertices are corners of pixels.
        tolerance: As in `polygons_from_mask`; 0 leaves them as they are.

    Returns:
        Polygons (n,) in the same order.
    """
    if tolerance <= 0 or not len(polygons):
        return polygons
    # Neighbours must share every vertex, but GDAL drops the collinear ones: a vertex at each pixel corner mends that.
    on_pixel_grid = np.asarray(shapely.segmentize(polygons, 1.0), dtype=object)
    limits = np.maximum(_TOLERANCE_BY_SIDE * np.sqrt(shapely.area(polygons)), _NO_CHANGE)
    halvings = math.ceil(math.log2(max(tolerance / limits.min(), 1)))
    if not halvings:
        return np.asarray(shapely.coverage_simplify(on_pixel_grid, tolerance), dtype=object)
    # From fine to coarse: a polygon drops out when its limit is reached, and its borders then stay as they are. So no
    # other border may be an outer one: the ground between the polygons takes part.
    frame = shapely.box(*shapely.total_bounds(on_pixel_grid))
    rest = shapely.get_parts(shapely.difference(frame, shapely.coverage_union_all(on_pixel_grid)))
    outside = np.asarray(shapely.segmentize(rest[shapely.get_dimensions(rest) == 2], 1.0), dtype=object)
    parts = np.concatenate([on_pixel_grid, outside])
    limits = np.concatenate([limits, np.full(len(outside), np.inf)])
    for level in (tolerance / 2**step for step in range(halvings, -1, -1)):
        active = (limits >= level) | (level == tolerance / 2**halvings)
        parts[active] = shapely.coverage_simplify(parts[active], level, simplify_boundary=False)
    # Along the outer frame there is a vertex at each pixel still.
    return np.asarray(shapely.coverage_simplify(parts, _COLLINEAR), dtype=object)[: len(polygons)]


def regularized(polygon: Polygon, *, noise: float = 1.5) -> Polygon:
    """Square a polygon: all edges along its dominant direction or at right angles to it, holes included.

    Args:
        polygon: Any valid polygon. One that was traced in pixels gives truer sides than a simplified one.
        noise: Distance by which its outline strays from the true one, in the units of the polygon: detail within it is
            straightened, and steps of less than twice that are levelled. The default is for the stairs of an outline
            that was traced in pixels.

    Returns:
        The squared polygon; the polygon itself where it has no dominant direction (a round one), where the squared one
        is invalid, and where that differs by more than 15 % in area or has an IoU with it below 0.7.

    Source: Douglas and Peucker 1973 for the corners; least squares (the principal axis of each side) for directions.
    """
    outlines = [_outline(ring, noise) for ring in (polygon.exterior, *polygon.interiors)]
    turn, alignment = _dominant_direction(outlines)
    if alignment < _MIN_ALIGNMENT:
        return polygon
    squared = []
    for outline in outlines:
        sides = _levelled(_sides(outline, turn), 2 * noise)
        if len(sides) < 4:
            return polygon
        pairs = zip(sides, [*sides[1:], sides[0]], strict=True)
        corners = [complex(b.offset, a.offset) if a.along_x else complex(a.offset, b.offset) for a, b in pairs]
        squared.append(_pairs(np.array(corners) * turn))
    result = Polygon(squared[0], squared[1:])
    if not result.is_valid or abs(result.area - polygon.area) > _MAX_AREA_CHANGE * polygon.area:
        return polygon
    common = result.intersection(polygon).area
    return result if common >= _MIN_IOU * (result.area + polygon.area - common) else polygon


@dataclass(frozen=True)
class _Outline:
    """A ring in short steps of `lengths` about `middles`; its straight pieces begin at `starts` and span `chords`."""

    middles: Complexes
    lengths: Floats
    starts: npt.NDArray[np.intp]
    chords: Complexes


@dataclass(frozen=True)
class _Side:
    """A side of an outline whose angles are right: along x at the height `offset`, or along y at the place `offset`."""

    along_x: bool
    offset: float


def _outline(ring: LinearRing, noise: float) -> _Outline:
    """Cut a ring into its straight pieces, from the corner farthest from its middle, since the first one is kept."""
    corners = _complex(ring)[:-1]
    first = int(np.argmax(np.abs(corners - corners.mean())))
    begun = LinearRing(_pairs(np.roll(corners, -first))).segmentize(noise / 2)
    kept = np.isin(_complex(begun)[:-1], _complex(shapely.simplify(begun, noise)))
    # Some versions of GEOS drop the first corner all the same.
    points = np.roll(_complex(begun)[:-1], -int(np.argmax(kept)))
    starts = np.flatnonzero(np.roll(kept, -int(np.argmax(kept))))
    after = np.roll(points, -1)
    chords = np.roll(points[starts], -1) - points[starts]
    return _Outline((points + after) / 2, np.abs(after - points), starts, chords)


def _dominant_direction(outlines: Sequence[_Outline]) -> tuple[complex, float]:
    """Return the mean direction of the pieces modulo 90 degrees, and how far they agree on it by length (0 to 1)."""
    lengths = np.concatenate([np.abs(outline.chords) for outline in outlines])
    # The principal axis of each piece as a number of length 1 at twice its angle.
    doubled = []
    for outline in outlines:
        counts = np.diff([*outline.starts, len(outline.middles)])
        means = np.add.reduceat(outline.middles * outline.lengths, outline.starts)
        means /= np.add.reduceat(outline.lengths, outline.starts)
        moments = np.add.reduceat((outline.middles - np.repeat(means, counts)) ** 2 * outline.lengths, outline.starts)
        axes = np.where((counts > 2) & (moments != 0), moments, outline.chords**2)
        doubled.append(axes / np.abs(axes))
    # Four times the angle: directions at right angles to one another are then the same.
    quadrupled = np.concatenate(doubled) ** 2
    # Squared, since the direction of a long piece is known better, too.
    angle = np.angle(np.sum(lengths**2 * quadrupled)) / 4
    return complex(np.exp(1j * angle)), float(abs(np.sum(lengths * quadrupled)) / lengths.sum())


def _sides(outline: _Outline, turn: complex) -> list[_Side]:
    """Join consecutive pieces that are nearer to the same axis to one side, at their mean offset by length."""
    chords, middles = outline.chords / turn, outline.middles / turn
    along_x = np.abs(chords.real) >= np.abs(chords.imag)
    turns = np.flatnonzero(along_x != np.roll(along_x, 1))
    if not len(turns):
        return []
    # Begun at a turn, so that no side is cut in two by the start of the ring.
    first = outline.starts[turns[0]]
    starts = outline.starts[turns] - first
    middles, lengths = np.roll(middles, -first), np.roll(outline.lengths, -first)
    centers = np.add.reduceat(middles * lengths, starts) / np.add.reduceat(lengths, starts)
    return [
        _Side(bool(axis), float(center.imag if axis else center.real))
        for axis, center in zip(along_x[turns], centers, strict=True)
    ]


def _levelled(sides: list[_Side], min_step: float) -> list[_Side]:
    """Level the steps that are lower than `min_step`, the lowest first: the two sides next to one become one."""
    while len(sides) > 4:
        # How far each side goes along its axis: from the side before it to the one after it.
        offsets: Floats = np.array([side.offset for side in sides])
        lengths = np.roll(offsets, -1) - np.roll(offsets, 1)
        onward = np.roll(lengths, 1) * np.roll(lengths, -1) > 0
        heights = np.where(onward, np.abs(lengths), np.inf)
        step = int(np.argmin(heights))
        if heights[step] >= min_step:
            break
        before, after = (step - 1) % len(sides), (step + 1) % len(sides)
        weights = np.abs(lengths[[before, after]])
        offset = float(np.average([sides[before].offset, sides[after].offset], weights=weights))
        turned = sides[before:] + sides[:before]
        sides = [_Side(sides[before].along_x, offset), *turned[3:]]
    return sides


def _complex(ring: shapely.Geometry) -> Complexes:
    return np.asarray(shapely.get_coordinates(ring) @ [1, 1j], dtype=complex)


def _pairs(points: Complexes) -> Floats:
    return np.column_stack([points.real, points.imag])
