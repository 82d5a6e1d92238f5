"""What a prediction writes: the class map, and on request the probabilities and how sure the model is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.bundle import ModelBundle, mask_from_scores
from overland.raster import Grid
from overland.raster.output import RasterProfile

__all__ = ["KINDS", "confidence_from_scores", "output_bytes", "output_pixels", "output_profile"]

KINDS = ("mask", "scores", "confidence")

Scores = npt.NDArray[np.float32]

# A pyramid of overviews adds a third to the pixels of a file.
_WITH_OVERVIEWS = 4 / 3


def output_profile(kind: str, bundle: ModelBundle, grid: Grid, creation: Mapping[str, str]) -> RasterProfile:
    """The profile of one of `KINDS` on a grid, with more creation options of the driver COG."""
    if kind == "mask":
        return RasterProfile(grid, nodata=bundle.legend.ignore_index, legend=bundle.legend, creation=creation)
    names = _score_names(bundle) if kind == "scores" else ("probability", "entropy")
    return RasterProfile(grid, len(names), "float32", float("nan"), descriptions=names, creation=creation)


def output_bytes(kind: str, bundle: ModelBundle, pixels: int) -> int:
    """Size of one of `KINDS`, before compression."""
    return round(pixels * {"mask": 1, "scores": 4 * bundle.num_scores, "confidence": 8}[kind] * _WITH_OVERVIEWS)


def output_pixels(
    kind: str, bundle: ModelBundle, scores: Scores, valid: npt.NDArray[np.bool_], threshold: float | None
) -> npt.NDArray[Any]:
    """Turn scores (scores, height, width) into the pixels (bands, height, width) of one of `KINDS`."""
    if kind == "mask":
        mask = mask_from_scores(bundle, scores, threshold)
        mask[~valid] = bundle.legend.ignore_index
        return mask[None]
    values = scores if kind == "scores" else confidence_from_scores(scores)
    return np.where(valid, values, np.float32(np.nan))


def confidence_from_scores(scores: Scores) -> Scores:
    """How sure a model is: the largest probability, and the entropy as a share of the largest that is possible.

    Takes probabilities (scores, height, width); one score is that of class 1 of two. Returns float32 (2, height,
    width); entropy 0 is certain, 1 knows nothing. Source: Shannon (1948).
    """
    if len(scores) == 1:
        scores = np.concatenate([1 - scores, scores])
    entropy = np.zeros(scores.shape[1:], np.float32)
    for probability in scores:
        # The limit of p log p at 0 is 0.
        entropy -= probability * np.log(np.maximum(probability, np.float32(1e-30)))
    return np.stack([scores.max(axis=0), entropy / np.float32(np.log(len(scores)))])


def _score_names(bundle: ModelBundle) -> tuple[str, ...]:
    return bundle.legend.names[-1:] if bundle.num_scores == 1 else bundle.legend.names
