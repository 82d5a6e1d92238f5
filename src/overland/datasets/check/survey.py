"""The survey: every image and mask of a dataset is read once, and what the checks need is kept."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.datasets.check.shift import correlations
from overland.datasets.class_balance import class_counts
from overland.datasets.dataset import Sample
from overland.datasets.label_mapping import LabelMapping
from overland.datasets.masks import RawMask, empty_fraction, is_constant, read_mask, value_counts
from overland.errors import DataError
from overland.geo.grid import Grid
from overland.legend import IGNORE_INDEX
from overland.progress import track
from overland.raster.read import open_scene

__all__ = ["ImageFacts", "MaskFacts", "Record", "survey"]

_MOST_CORRELATED = 160

Pixels = npt.NDArray[Any]
Valid = npt.NDArray[np.bool_]
Fault = tuple[str, str, Path]


@dataclass(frozen=True)
class ImageFacts:
    """What is kept of an image; `empty_fraction` is the fraction of its pixels that are nodata, or all black or white."""

    grid: Grid
    bands: int
    dtype: str
    digest: str
    empty_fraction: float
    is_constant: bool


@dataclass(frozen=True)
class MaskFacts:
    """What is kept of a mask; `values` is empty for a colour mask, `counts` None where it could not be decoded."""

    grid: Grid
    driver: str
    nodata: int | None
    values: Counter[int]
    counts: npt.NDArray[np.int64] | None
    ignored: int


@dataclass(frozen=True)
class Record:
    """One sample as surveyed; `faults` are the errors met: an issue's code, the message and the file."""

    split: str
    sample: Sample
    image: ImageFacts | None
    mask: MaskFacts | None
    faults: tuple[Fault, ...] = ()
    evidence: list[npt.NDArray[np.float32]] = field(default_factory=list)


def survey(samples: Iterable[tuple[str, Sample]], label_mapping: LabelMapping | None) -> list[Record]:
    """Read each (split, sample) once; masks are decoded where there is a label_mapping."""
    tasks = list(samples)
    # Evenly spread, so that every part of the set has a say in whether the labels are shifted.
    step = max(1, -(-len(tasks) // _MOST_CORRELATED))
    with track("Reading images and masks", len(tasks), "images") as advance:
        records = []
        for index, (split, sample) in enumerate(tasks):
            records.append(_record(split, sample, label_mapping, is_correlated=index % step == 0))
            advance(1)
    return records


def _record(split: str, sample: Sample, label_mapping: LabelMapping | None, *, is_correlated: bool) -> Record:
    faults: list[Fault] = []
    image = mask = facts = ids = None
    evidence: list[npt.NDArray[np.float32]] = []
    try:
        image, valid, facts = _read_image(sample)
    except DataError as error:
        faults.append(("unreadable-file", str(error), sample.image))
    if sample.mask is not None and sample.mask.is_file():
        try:
            raw = read_mask(sample.mask)
            ids = _decoded(raw, label_mapping, faults)
            mask = _mask_facts(raw, ids, label_mapping)
        except DataError as error:
            faults.append(("unreadable-file", str(error), sample.mask))
    if is_correlated and image is not None and ids is not None and image.shape[1:] == ids.shape:
        evidence = correlations(image, ids, valid)
    return Record(split, sample, facts, mask, tuple(faults), evidence)


def _read_image(sample: Sample) -> tuple[Pixels, Valid, ImageFacts]:
    with open_scene(sample.image, expand_palette=True) as scene:
        pixels, valid = scene.read()
        facts = ImageFacts(
            grid=scene.grid,
            bands=len(pixels),
            dtype=scene.dtype,
            digest=_digest(pixels),
            empty_fraction=empty_fraction(pixels, valid),
            is_constant=is_constant(pixels),
        )
    return pixels, valid, facts


def _digest(pixels: Pixels) -> str:
    header = f"{pixels.shape} {pixels.dtype}".encode()
    return hashlib.blake2b(np.ascontiguousarray(pixels).data, key=header[:64], digest_size=16).hexdigest()


def _decoded(raw: RawMask, label_mapping: LabelMapping | None, faults: list[Fault]) -> npt.NDArray[np.uint8] | None:
    if label_mapping is None:
        return None
    try:
        return label_mapping.ids_from_mask(raw)
    except DataError as error:
        faults.append(("unknown-value", str(error), raw.path))
        return None


def _mask_facts(raw: RawMask, ids: npt.NDArray[np.uint8] | None, label_mapping: LabelMapping | None) -> MaskFacts:
    values = Counter[int]() if raw.has_colors else value_counts(raw)
    if ids is None or label_mapping is None:
        return MaskFacts(raw.grid, raw.driver, raw.nodata, values, None, 0)
    ignored = int((ids == IGNORE_INDEX).sum())
    return MaskFacts(raw.grid, raw.driver, raw.nodata, values, class_counts(ids, label_mapping.num_classes), ignored)
