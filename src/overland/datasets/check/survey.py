"""The survey: every image and mask of a dataset is read once, and the facts for the checks are kept.

Before a training only headers are read, and the values of some masks: that is quick, and finds what would end it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from overland.datasets.check.shift import Lags, correlations
from overland.datasets.class_balance import class_counts
from overland.datasets.dataset import Sample
from overland.datasets.label_mapping import LabelMapping
from overland.datasets.masks import (
    Labels,
    RawMask,
    empty_fraction,
    is_constant,
    read_mask,
    undeclared_fill,
    value_counts,
)
from overland.errors import DataError
from overland.geo.grid import Grid
from overland.legend import IGNORE_INDEX
from overland.progress import track
from overland.raster.read import open_scene

__all__ = ["ImageFacts", "MaskFacts", "Record", "survey", "survey_headers"]

_MOST_CORRELATED = 160
_MOST_HEADERS = 2000
_MOST_MASKS = 200

Fault = tuple[str, str, Path]


@dataclass(frozen=True)
class ImageFacts:
    """Facts of an image.

    Attributes:
        grid: Size and place.
        bands: Number of bands, without an alpha band.
        dtype: Type of the pixels.
        digest: Hash of the pixels; empty where only the header was read, as are the fields that follow.
        empty_fraction: Fraction of the pixels that are nodata, or all black or white.
        is_constant: True where each band holds one value.
        fill: A number such as -9999 that stands for "no data" and is not declared.
        hidden_by_alpha: True where an alpha band says that some pixels hold no data.
    """

    grid: Grid
    bands: int
    dtype: str
    digest: str = ""
    empty_fraction: float = 0.0
    is_constant: bool = False
    fill: float | None = None
    hidden_by_alpha: bool = False


@dataclass(frozen=True)
class MaskFacts:
    """Facts of a mask.

    Attributes:
        grid: Size and place.
        driver: GDAL's name of the format.
        nodata: The value that the file declares to mean "no label".
        values: Number of pixels of each value; empty for a mask of colours, and where only the header was read.
        counts: Number of pixels of each class; None where the mask was not decoded.
        ignored: Number of pixels without a label.
    """

    grid: Grid
    driver: str
    nodata: float | None
    values: Counter[int] = field(default_factory=Counter)
    counts: npt.NDArray[np.int64] | None = None
    ignored: int = 0


@dataclass(frozen=True)
class Record:
    """One sample as surveyed.

    Attributes:
        split: The split of the sample.
        sample: The sample.
        image: Facts of the image; None where it could not be read.
        mask: Facts of the mask; None where there is none, or it could not be read.
        faults: The errors met: the code of an issue, the message and the file.
        lags: For some samples, the correlations of image edges with mask borders.
    """

    split: str
    sample: Sample
    image: ImageFacts | None
    mask: MaskFacts | None
    faults: tuple[Fault, ...] = ()
    lags: list[Lags] = field(default_factory=list)


def survey(samples: Iterable[tuple[str, Sample]], label_mapping: LabelMapping | None) -> list[Record]:
    """Read every image and mask once.

    Args:
        samples: Each split and sample.
        label_mapping: The mapping that decodes the masks; they are not decoded without one.

    Returns:
        A record of each sample.
    """
    tasks = list(samples)
    # Evenly spread, so that every part of the set has a say in whether the labels are shifted.
    step = max(1, -(-len(tasks) // _MOST_CORRELATED))
    with track("Reading images and masks", len(tasks), "images") as advance:
        records = []
        for index, (split, sample) in enumerate(tasks):
            records.append(_record(split, sample, label_mapping, is_correlated=index % step == 0))
            advance(1)
    return records


def survey_headers(samples: Iterable[tuple[str, Sample]], label_mapping: LabelMapping) -> list[Record]:
    """Read the headers of images and masks, and the values of some masks, evenly spread over all.

    Args:
        samples: Each split and sample; of more than 2,000 that many are looked at.
        label_mapping: The mapping that decodes the masks.

    Returns:
        A record of each sample looked at, with the values of 200 masks at most.
    """
    tasks = list(samples)
    tasks = tasks[:: max(1, -(-len(tasks) // _MOST_HEADERS))]
    step = max(1, -(-len(tasks) // _MOST_MASKS))
    records = []
    for index, (split, sample) in enumerate(tasks):
        faults: list[Fault] = []
        image = mask = None
        try:
            with open_scene(sample.image, expand_palette=True) as scene:
                image = ImageFacts(scene.grid, len(scene.data_bands), scene.dtype)
        except DataError as error:
            faults.append(("unreadable-file", str(error), sample.image))
        if sample.mask is not None and index % step == 0:
            mask, _ = _read_mask(sample.mask, label_mapping, faults)
        elif sample.mask is not None:
            try:
                with open_scene(sample.mask) as scene:
                    mask = MaskFacts(scene.grid, scene.driver, scene.nodata)
            except DataError as error:
                faults.append(("unreadable-file", str(error), sample.mask))
        records.append(Record(split, sample, image, mask, tuple(faults)))
    return records


def _record(split: str, sample: Sample, label_mapping: LabelMapping | None, *, is_correlated: bool) -> Record:
    faults: list[Fault] = []
    image = mask = facts = ids = None
    lags: list[Lags] = []
    try:
        with open_scene(sample.image, expand_palette=True) as scene:
            pixels, valid = scene.read()
            grid, dtype, has_alpha = scene.grid, scene.dtype, len(scene.data_bands) < scene.count
        header = f"{pixels.shape} {pixels.dtype}".encode()[:64]
        digest = hashlib.blake2b(np.ascontiguousarray(pixels).data, key=header, digest_size=16).hexdigest()
        hidden = has_alpha and not valid.all()
        fill = undeclared_fill(pixels, valid)
        if fill is not None:
            # The edge of the fill is no edge on the ground.
            valid = valid & (pixels != fill).any(axis=0)
        empty, constant = empty_fraction(pixels, valid), is_constant(pixels)
        image, valid, facts = pixels, valid, ImageFacts(grid, len(pixels), dtype, digest, empty, constant, fill, hidden)
    except DataError as error:
        faults.append(("unreadable-file", str(error), sample.image))
    if sample.mask is not None and sample.mask.is_file():
        mask, ids = _read_mask(sample.mask, label_mapping, faults)
    if is_correlated and image is not None and ids is not None and image.shape[1:] == ids.shape:
        lags = correlations(image, ids, valid)
    return Record(split, sample, facts, mask, tuple(faults), lags)


def _read_mask(
    path: Path, label_mapping: LabelMapping | None, faults: list[Fault]
) -> tuple[MaskFacts | None, Labels | None]:
    try:
        raw: RawMask = read_mask(path)
    except DataError as error:
        faults.append(("unreadable-file", str(error), path))
        return None, None
    values = Counter[int]() if raw.has_colors else value_counts(raw)
    try:
        ids = label_mapping.ids_from_mask(raw) if label_mapping else None
    except DataError as error:
        faults.append(("unknown-value", str(error), path))
        ids = None
    if ids is None or label_mapping is None:
        return MaskFacts(raw.grid, raw.driver, raw.nodata, values), None
    ignored = int((ids == IGNORE_INDEX).sum())
    counts = class_counts(ids, label_mapping.num_classes)
    return MaskFacts(raw.grid, raw.driver, raw.nodata, values, counts, ignored), ids
