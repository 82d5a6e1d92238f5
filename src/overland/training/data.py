"""Data for the loop: chips for training in a new order each epoch, whole windows for validation."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from overland.datasets import Dataset as LabelledDataset
from overland.datasets import read_sample
from overland.datasets.augment import Augmentation, resize_pair
from overland.datasets.chips import BandStatistics, ChipCutter, ChipSettings, validation_windows
from overland.errors import UsageError
from overland.legend import IGNORE_INDEX
from overland.training.settings import TrainSettings

__all__ = ["Augment", "Batch", "EpochSampler", "training_loader", "validation_loader"]

Batch = tuple[Tensor, Tensor]
"""Scaled pixels float32 (n, bands, height, width) and class ids int64 (n, height, width), 255 where ignored."""

Augment = Callable[
    [npt.NDArray[np.float32], npt.NDArray[np.uint8], np.random.Generator],
    tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]],
]
"""An augmentation of the user's own: scaled pixels (height, width, bands), class ids (height, width) and a generator of
random numbers to the same two arrays, changed; of the same size."""

_VALIDATION_SIDE = 1024
_LARGEST_SIDE = 1 << 30
_OWN_AUGMENT = 1  # Keeps its random numbers apart from those of the built-in augmentation.


class EpochSampler(Sampler[tuple[int, int]]):
    """Pairs (epoch, index), so that a chip depends on these alone and on no worker's state.

    Lightning calls `set_epoch` before each epoch, after a resume too.

    Args:
        length: Chips of an epoch.
    """

    def __init__(self, length: int) -> None:
        self._length = length
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose chips come next.

        Args:
            epoch: Its number, from 0.
        """
        self._epoch = epoch

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((self._epoch, index) for index in range(self._length))

    def __len__(self) -> int:
        return self._length


def training_loader(
    dataset: LabelledDataset,
    settings: TrainSettings,
    statistics: BandStatistics,
    *,
    pin_memory: bool = False,
    augment: Augment | None = None,
) -> DataLoader[Batch]:
    """Make the loader of augmented chips.

    Args:
        dataset: Images and labels; its split "train" is used.
        settings: Settings of the run.
        statistics: Mean and standard deviation that pixels are scaled with.
        pin_memory: Keep batches where a GPU copies them faster.
        augment: An augmentation of the user's own, applied after the built-in ones.

    Returns:
        A loader of batches (see `Batch`), chips of `settings.imgsz` pixels.
    """
    chips = _ChipDataset(dataset, settings, statistics, augment)
    return DataLoader(
        chips,
        batch_size=settings.batch,
        sampler=EpochSampler(len(chips)),
        num_workers=settings.workers,
        persistent_workers=settings.workers > 0,
        pin_memory=pin_memory,
        # A last batch of one or two chips would upset batch normalisation.
        drop_last=len(chips) > settings.batch,
    )


def validation_loader(
    dataset: LabelledDataset, split: str, settings: TrainSettings, statistics: BandStatistics, *, size_divisor: int
) -> DataLoader[Batch]:
    """Make the loader of the windows of a split, one by one.

    Args:
        dataset: Images and labels.
        split: Name of the split, such as "val".
        settings: Settings of the run.
        statistics: Mean and standard deviation that pixels are scaled with.
        size_divisor: Number that the sides of a window are padded to a multiple of, by reflection; padding is ignored.

    Returns:
        A loader of batches of one window; of one whole image where the network resizes it to a fixed size.
    """
    return DataLoader(_WindowDataset(dataset, split, settings, statistics, size_divisor), batch_size=1)


class _ChipDataset(Dataset[Batch]):
    def __init__(
        self,
        dataset: LabelledDataset,
        settings: TrainSettings,
        statistics: BandStatistics,
        augment: Augment | None,
    ) -> None:
        chips = ChipSettings(
            size=settings.imgsz,
            augmentation=Augmentation(
                fliplr=settings.fliplr,
                flipud=settings.flipud,
                rotate=settings.rotate,
                scale=settings.scale,
                color=settings.color,
                shrink=settings.shrink,
                effects=settings.effects,
            ),
            bands=settings.bands,
            seed=settings.seed,
            grid=settings.chips == "grid",
            min_foreground=settings.min_foreground,
            fixed_size=settings.reproduce.resize,
            nearest=settings.reproduce.resize_nearest,
        )
        self._cutter = ChipCutter(dataset, "train", chips, statistics)
        self._ignored_as = dataset.legend.num_classes - 1 if settings.reproduce.ignored_as_class else None
        self._augment = augment
        self._seed = settings.seed

    def __len__(self) -> int:
        return len(self._cutter)

    def __getitem__(self, epoch_and_index: tuple[int, int]) -> Batch:
        chip, labels = self._cutter.cut(*epoch_and_index)
        if self._augment is not None:
            rng = np.random.default_rng([self._seed, *epoch_and_index, _OWN_AUGMENT])
            pixels, ids = self._augment(chip.transpose(1, 2, 0), labels, rng)
            changed = np.ascontiguousarray(np.asarray(pixels, np.float32).transpose(2, 0, 1))
            if changed.shape != chip.shape or np.shape(ids) != labels.shape:
                raise UsageError(
                    f"The augmentation was given pixels {chip.transpose(1, 2, 0).shape} and labels {labels.shape}, and "
                    f"gave back {np.shape(pixels)} and {np.shape(ids)}. It must keep the size."
                )
            chip, labels = changed, np.asarray(ids)
        if self._ignored_as is not None:
            labels = np.where(labels == IGNORE_INDEX, self._ignored_as, labels)
        return torch.from_numpy(chip), torch.from_numpy(labels.astype(np.int64))


class _WindowDataset(Dataset[Batch]):
    def __init__(
        self,
        dataset: LabelledDataset,
        split: str,
        settings: TrainSettings,
        statistics: BandStatistics,
        size_divisor: int,
    ) -> None:
        self._dataset = dataset
        self._settings = settings
        self._divisor = size_divisor
        side = _LARGEST_SIDE if settings.reproduce.resize else _VALIDATION_SIDE
        self._windows = validation_windows(dataset, split, side)
        self._mean = np.asarray(statistics.mean, np.float32)[:, None, None]
        self._std = np.asarray(statistics.std, np.float32)[:, None, None]

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, index: int) -> Batch:
        sample, window = self._windows[index]
        image, labels, valid = read_sample(self._dataset, sample, self._settings.bands, window)
        pixels = (image.astype(np.float32) - self._mean) / self._std
        pixels[:, ~valid] = 0
        reproduce = self._settings.reproduce
        if reproduce.resize:
            nearest = reproduce.resize_nearest
            resized, labels = resize_pair(pixels.transpose(1, 2, 0), labels, reproduce.resize, nearest=nearest)
            pixels = np.ascontiguousarray(resized.transpose(2, 0, 1))
        pad = [(0, -side % self._divisor) for side in labels.shape]
        chip = np.pad(pixels, ((0, 0), *pad), mode="reflect")
        ids = np.pad(labels.astype(np.int64), pad, constant_values=IGNORE_INDEX)
        return torch.from_numpy(chip), torch.from_numpy(ids)
