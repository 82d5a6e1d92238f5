"""Chips for training, cut at native resolution from images of any size, and windows for validation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from overland.datasets.augment import (
    Augmentation,
    chip_matrix,
    color_matrix,
    cut_chip,
    fixed_chip_matrix,
    resize_pair,
)
from overland.datasets.dataset import Dataset, Sample, read_sample
from overland.datasets.effects import camera_effects
from overland.datasets.masks import Labels, Pixels, undeclared_fill
from overland.errors import DataError, UsageError
from overland.geo.grid import iter_windows
from overland.legend import IGNORE_INDEX
from overland.raster import Window, open_scene

__all__ = ["BandStatistics", "ChipCutter", "ChipSettings", "band_statistics", "sample_sizes", "validation_windows"]

_CACHE_BYTES = 2 << 30
_WHOLE_IMAGE_PIXELS = 32_000_000  # Larger images are read window by window.
_TRIES = 8
_LEAST_LABELLED = 0.1


@dataclass(frozen=True)
class BandStatistics:
    """Statistics of the bands of a set.

    Attributes:
        mean: Mean of each band in the scene's own units.
        std: Standard deviation of each band; 1 for a constant band.
        dtype: Type of the pixels.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    dtype: str


@dataclass(frozen=True)
class ChipSettings:
    """Settings of the chips that are taken from images.

    Attributes:
        size: Side of a chip in pixels.
        augmentation: The limits of the augmentation.
        bands: Bands to read, counted from 1; None for all but alpha.
        seed: Seed of the chips.
        grid: False draws chips anywhere at native resolution. True lays them side by side, padded with zeros that have
            no label beyond the edges; chips of one value everywhere are left out.
        min_foreground: Fraction of foreground below which a chip of the grid is left out.
        fixed_size: Side of the square that every image is resized to first; 0 for none.
        nearest: Resize to the fixed size by the nearest pixels.
    """

    size: int
    augmentation: Augmentation = Augmentation()  # noqa: RUF009 - frozen
    bands: Sequence[int] | None = None
    seed: int = 0
    grid: bool = False
    min_foreground: float = 0.0
    fixed_size: int = 0
    nearest: bool = False


@dataclass(frozen=True)
class _ChipPlace:
    """One chip of an epoch: its sample, and its window where that is fixed."""

    sample: Sample
    window: Window | None = None


class ChipCutter:
    """Cuts the chips of a split; a chip depends on the seed, the epoch and its index alone.

    An epoch has as many chips as are needed to cover the images once, each image in proportion to its area.

    Args:
        dataset: The dataset.
        split: The split.
        settings: How chips are taken.
        statistics: Mean and standard deviation by which pixels are scaled.

    Raises:
        DataError: The split has no labelled image, or no chip of the grid is worth keeping.
        UsageError: The augmentation has effects, and the images are not of 8 bits.
    """

    def __init__(self, dataset: Dataset, split: str, settings: ChipSettings, statistics: BandStatistics) -> None:
        if settings.augmentation.effects and statistics.dtype != "uint8":
            raise UsageError(f"effects are for 8-bit images; those of {dataset.root} are {statistics.dtype}. Use 0.")
        self._dataset = dataset
        self._settings = settings
        self._mean = statistics.mean
        scale = 1 / np.asarray(statistics.std, np.float32)
        self._scale, self._offset = np.diag(scale), -np.asarray(statistics.mean, np.float32) * scale
        self._cache: dict[str, tuple[Pixels, Labels]] = {}
        self._cached_bytes = 0
        self._sizes = sample_sizes(dataset, split)
        if settings.fixed_size:
            self._sizes = dict.fromkeys(self._sizes, (settings.fixed_size, settings.fixed_size))
        self._places: list[_ChipPlace] = []
        for sample, (height, width) in self._sizes.items():
            if not settings.grid:
                self._places += [_ChipPlace(sample)] * max(1, round(height * width / settings.size**2))
                continue
            image, labels = self._whole(sample)
            for window in iter_windows(height, width, settings.size):
                rows, cols = slice(window.row_off, window.row_end), slice(window.col_off, window.col_end)
                known = labels[rows, cols]
                foreground = ((known != 0) & (known != IGNORE_INDEX)).mean()
                is_blank = (image[rows, cols] == image[window.row_off, window.col_off]).all()
                if foreground >= settings.min_foreground and not is_blank:
                    self._places.append(_ChipPlace(sample, window))
        if not self._places:
            raise DataError(
                f"{dataset.root}: no chip of split {split!r} has {settings.min_foreground:.1%} foreground. "
                "Set min_foreground lower, or look at the masks with `overland data check`."
            )

    def __len__(self) -> int:
        return len(self._places)

    def cut(self, epoch: int, index: int) -> tuple[npt.NDArray[np.float32], Labels]:
        """Cut one chip.

        Args:
            epoch: The epoch, from 0.
            index: The chip in that epoch, from 0.

        Returns:
            Scaled pixels (bands, size, size) and class ids (size, size).
        """
        order = np.random.default_rng([self._settings.seed, epoch]).permutation(len(self._places))
        place = self._places[order[index]]
        rng = np.random.default_rng([self._settings.seed, epoch, index])
        for _ in range(1 if self._settings.grid else _TRIES):
            chip, labels = self._cut_from(place, rng)
            if (labels != IGNORE_INDEX).mean() >= _LEAST_LABELLED:
                break
        chip = camera_effects(rng, chip, self._settings.augmentation.effects)
        matrix, offset = self._scale, self._offset
        if self._settings.augmentation.color > 0:
            change, shift = color_matrix(rng, self._settings.augmentation.color, len(offset))
            matrix, offset = change @ matrix, change @ offset + shift
        pixels = chip.reshape(-1, chip.shape[2]).astype(np.float32) @ matrix.T + offset
        scaled = pixels.reshape(chip.shape).transpose(2, 0, 1)
        return np.ascontiguousarray(scaled, dtype=np.float32), labels

    def _cut_from(self, place: _ChipPlace, rng: np.random.Generator) -> tuple[Pixels, Labels]:
        size, sample = self._settings.size, place.sample
        height, width = self._sizes[sample]
        if place.window is not None:
            matrix = fixed_chip_matrix(rng, self._settings.augmentation, replace(place.window, width=size, height=size))
        else:
            matrix = chip_matrix(rng, self._settings.augmentation, height, width, size)
        if height * width <= _WHOLE_IMAGE_PIXELS:
            image, labels = self._whole(sample)
        else:
            corners = np.array([[x, y, 1] for x in (0, size - 1) for y in (0, size - 1)]) @ matrix.T
            col_off, row_off = (max(0, math.floor(low) - 1) for low in corners.min(axis=0))
            col_end, row_end = (math.ceil(high) + 2 for high in corners.max(axis=0))
            window = Window(
                col_off=col_off,
                row_off=row_off,
                width=min(col_end, width) - col_off,
                height=min(row_end, height) - row_off,
            )
            image, labels = _read_labelled(self._dataset, sample, self._settings.bands, self._mean, window)
            matrix[:, 2] -= (window.col_off, window.row_off)
        return cut_chip(image, labels, matrix, size, pad=self._settings.grid)

    def _whole(self, sample: Sample) -> tuple[Pixels, Labels]:
        if sample.key in self._cache:
            return self._cache[sample.key]
        image, labels = _read_labelled(self._dataset, sample, self._settings.bands, self._mean)
        if self._settings.fixed_size:
            image, labels = resize_pair(image, labels, self._settings.fixed_size, nearest=self._settings.nearest)
        size = image.nbytes + labels.nbytes
        # What fits is kept for good: with chips drawn at random, evicting the oldest would only churn.
        if self._cached_bytes + size <= _CACHE_BYTES:
            self._cache[sample.key] = image, labels
            self._cached_bytes += size
        return image, labels


def sample_sizes(dataset: Dataset, split: str) -> dict[Sample, tuple[int, int]]:
    """Read the sizes of the labelled images of a split.

    Args:
        dataset: The dataset.
        split: The split.

    Returns:
        Height and width of each image.

    Raises:
        DataError: The split has no labelled image.
    """
    samples = [sample for sample in dataset.splits.get(split, ()) if sample.mask is not None]
    if not samples:
        raise DataError(
            f"{dataset.root} has no labelled images in split {split!r}; its splits: {', '.join(dataset.splits)}."
        )
    sizes = {}
    for sample in samples:
        with open_scene(sample.image) as scene:
            sizes[sample] = scene.height, scene.width
    return sizes


def validation_windows(dataset: Dataset, split: str, size: int) -> list[tuple[Sample, Window]]:
    """Plan windows that cover each labelled image of a split once.

    Args:
        dataset: The dataset.
        split: The split.
        size: Largest side of a window in pixels.

    Returns:
        Each sample with a window.

    Raises:
        DataError: The split has no labelled image.
    """
    windows = []
    for sample, (height, width) in sample_sizes(dataset, split).items():
        # Windows of even size, so that no sliver without context is left at the far border.
        rows = np.linspace(0, height, math.ceil(height / size) + 1).round().astype(int)
        cols = np.linspace(0, width, math.ceil(width / size) + 1).round().astype(int)
        windows += [
            (sample, Window(col_off=int(left), row_off=int(top), width=int(right - left), height=int(bottom - top)))
            for top, bottom in pairwise(rows)
            for left, right in pairwise(cols)
        ]
    return windows


def band_statistics(
    dataset: Dataset, split: str, bands: Sequence[int] | None = None, *, most_images: int = 100
) -> BandStatistics:
    """Measure the bands over the valid pixels of evenly chosen images of a split.

    Args:
        dataset: The dataset.
        split: The split.
        bands: Bands to read, counted from 1; all but alpha by default.
        most_images: Number of images that are read at most.

    Returns:
        The statistics.

    Raises:
        DataError: Images differ in their number of bands or pixel type, none holds data, or one is filled with a
            number that no file declares.
    """
    samples = list(sample_sizes(dataset, split))
    chosen = samples[:: max(1, math.ceil(len(samples) / most_images))]
    kinds: dict[tuple[int, str], Sample] = {}
    count, total, squares = 0, np.zeros(0), np.zeros(0)
    for sample in chosen:
        image, _, valid = read_sample(dataset, sample, bands)
        kinds.setdefault((image.shape[0], str(image.dtype)), sample)
        if len(kinds) > 1:
            found = "; ".join(f"{one.image} has {number} bands of {kind}" for (number, kind), one in kinds.items())
            raise DataError(
                f"All images of a set must have the same bands and pixel type: {found}. Name common bands, or convert "
                "them."
            )
        fill = undeclared_fill(image, valid)
        if fill is not None:
            raise DataError(
                f"{sample.image} holds {fill:g} in all bands, far from all other values: a fill value that the file "
                f"does not declare. Declare it, such as with `gdal_edit.py -a_nodata {fill:g} FILE`."
            )
        pixels = image[:, valid].astype(np.float64)
        count += pixels.shape[1]
        total = total + pixels.sum(axis=1) if total.size else pixels.sum(axis=1)
        squares = squares + np.square(pixels).sum(axis=1) if squares.size else np.square(pixels).sum(axis=1)
    if count == 0:
        raise DataError(f"{dataset.root}: no image of split {split!r} holds data.")
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0))
    # A constant band carries nothing; dividing by 1 keeps it at zero instead of at noise blown up.
    std[std < 1e-6] = 1.0
    dtype = next(iter(kinds))[1]
    return BandStatistics(tuple(float(value) for value in mean), tuple(float(value) for value in std), dtype)


def _read_labelled(
    dataset: Dataset, sample: Sample, bands: Sequence[int] | None, empty: Sequence[float], window: Window | None = None
) -> tuple[Pixels, Labels]:
    image, labels, valid = read_sample(dataset, sample, bands, window)
    pixels = np.ascontiguousarray(image.transpose(1, 2, 0))
    # As in prediction: a pixel without data enters the network as the mean of its band, not as -9999 or NaN.
    pixels[~valid] = np.asarray(empty).round().astype(pixels.dtype)
    return pixels, labels
