"""Connected pixels of a scene that is seen band by band: small ones dropped, exactly as if it were seen at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage, sparse
from scipy.sparse import csgraph

from overland.raster import Window
from overland.vector.graph.pixels import BitMask

__all__ = ["drop_objects", "fill_holes"]

Bools = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int32]

_SIDES = ndimage.generate_binary_structure(2, 1)
_SIDES_AND_CORNERS = ndimage.generate_binary_structure(2, 2)


def drop_objects(mask: BitMask, bands: Sequence[Window], min_pixels: int, seeds: BitMask | None = None) -> None:
    """Clear every 8-connected object of less than `min_pixels`, and with `seeds` every one that holds none of them."""
    keep = _kept_labels(mask, bands, True, _SIDES_AND_CORNERS, min_pixels, seeds)
    _flip_others(mask, bands, True, _SIDES_AND_CORNERS, keep)


def fill_holes(mask: BitMask, bands: Sequence[Window], min_pixels: int) -> None:
    """Set every 4-connected region off the objects that has less than `min_pixels`, also at the edge of the scene."""
    keep = _kept_labels(mask, bands, False, _SIDES, min_pixels, None)
    _flip_others(mask, bands, False, _SIDES, keep)


def _kept_labels(
    mask: BitMask, bands: Sequence[Window], value: bool, structure: Bools, min_pixels: int, seeds: BitMask | None
) -> Bools:
    """Whether each label, counted over all bands, belongs to a component that stays; label 0 of a band is not one."""
    sizes, seeded, links, last_row = [], [], [], None
    for band, labels, first in _iter_labels(mask, bands, value, structure):
        sizes.append(np.bincount(labels.ravel(), minlength=1)[1:])
        if seeds is not None:
            marked = labels[seeds.rows(band.row_off, band.row_end)]
            seeded.append(np.bincount(marked, minlength=len(sizes[-1]) + 1)[1:])
        top = np.where(labels[0] > 0, labels[0].astype(np.int64) + first, 0)
        if last_row is not None:
            links.append(_links(last_row, top, bool(structure[0, 0])))
        last_row = np.where(labels[-1] > 0, labels[-1].astype(np.int64) + first, 0)
    component = _join_labels(sum(map(len, sizes)), links)
    keep = np.bincount(component, weights=np.concatenate(sizes)) >= min_pixels
    if seeds is not None:
        keep &= np.bincount(component, weights=np.concatenate(seeded)) > 0
    return np.asarray(keep[component], dtype=bool)


def _flip_others(mask: BitMask, bands: Sequence[Window], value: bool, structure: Bools, keep: Bools) -> None:
    if keep.all():
        return
    for band, labels, first in _iter_labels(mask, bands, value, structure):
        drop = np.append(False, ~keep[first : first + labels.max(initial=0)])
        mask.set_rows(band.row_off, mask.rows(band.row_off, band.row_end) ^ drop[labels])


def _iter_labels(
    mask: BitMask, bands: Sequence[Window], value: bool, structure: Bools
) -> Iterator[tuple[Window, Labels, int]]:
    """Labels 1, 2, ... of the components within each band, and how many labels came before."""
    first = 0
    for band in bands:
        labels, count = ndimage.label(mask.rows(band.row_off, band.row_end) == value, structure)
        yield band, labels, first
        first += count


def _links(above: npt.NDArray[np.int64], below: npt.NDArray[np.int64], corners: bool) -> npt.NDArray[np.int64]:
    """Pairs (2, n) of labels, counted from 1, that touch across the border of two bands."""
    pairs = [(above, below)]
    if corners:
        pairs += [(above[1:], below[:-1]), (above[:-1], below[1:])]
    touching = np.hstack([np.vstack(pair) for pair in pairs])
    return np.unique(touching[:, (touching > 0).all(axis=0)], axis=1)


def _join_labels(count: int, links: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.int32]:
    """The component of each label."""
    one, other = np.hstack([np.zeros((2, 0), dtype=np.int64), *links]) - 1
    graph = sparse.coo_array((np.ones(len(one), dtype=np.int8), (one, other)), shape=(count, count))
    _, component = csgraph.connected_components(graph, directed=False)
    return np.asarray(component, dtype=np.int32)
