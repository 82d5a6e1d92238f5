"""What the loaders feed: chips for training in a new order each epoch, whole windows for validation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from overland.datasets import Dataset as LabelledDataset
from overland.datasets import read_sample
from overland.datasets.augment import Augmentation, resize_pair
from overland.datasets.chips import BandStatistics, ChipCutter, ChipSettings, validation_windows
from overland.legend import IGNORE_INDEX
from overland.settings import TrainSettings

__all__ = ["EpochSampler", "training_loader", "validation_loader"]

_VALIDATION_SIDE = 1024
_LARGEST_SIDE = 1 << 30

Batch = tuple[Tensor, Tensor]


class EpochSampler(Sampler[tuple[int, int]]):
    """Yields (epoch, index), so that a chip depends on these alone and on no worker's state.

    Lightning calls `set_epoch` before each epoch, after a resume too.
    """

    def __init__(self, length: int) -> None:
        self._length = length
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose chips come next."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((self._epoch, index) for index in range(self._length))

    def __len__(self) -> int:
        return self._length


def training_loader(
    dataset: LabelledDataset, config: TrainSettings, statistics: BandStatistics, *, pin_memory: bool
) -> DataLoader[Batch]:
    """Batches of augmented chips: float32 (n, c, h, w) and ids int64 (n, h, w)."""
    chips = _ChipDataset(dataset, config, statistics)
    return DataLoader(
        chips,
        batch_size=config.batch,
        sampler=EpochSampler(len(chips)),
        num_workers=config.workers,
        persistent_workers=config.workers > 0,
        pin_memory=pin_memory,
        # A last batch of one or two chips would upset batch normalisation.
        drop_last=len(chips) > config.batch,
    )


def validation_loader(
    dataset: LabelledDataset, split: str, config: TrainSettings, statistics: BandStatistics, *, size_divisor: int
) -> DataLoader[Batch]:
    """Windows of the split one by one, padded by reflection to a multiple of `size_divisor`; padding is ignored.

    A network that sees whole images squashed gets them so.
    """
    return DataLoader(_WindowDataset(dataset, split, config, statistics, size_divisor), batch_size=1)


class _ChipDataset(Dataset[Batch]):
    def __init__(self, dataset: LabelledDataset, config: TrainSettings, statistics: BandStatistics) -> None:
        self._cutter = ChipCutter(dataset, "train", _chip_settings(config), statistics)
        self._void = dataset.legend.num_classes - 1 if config.void_class else None

    def __len__(self) -> int:
        return len(self._cutter)

    def __getitem__(self, epoch_and_index: tuple[int, int]) -> Batch:
        chip, target = self._cutter.cut(*epoch_and_index)
        if self._void is not None:
            target = np.where(target == IGNORE_INDEX, self._void, target)
        return torch.from_numpy(chip), torch.from_numpy(target.astype(np.int64))


class _WindowDataset(Dataset[Batch]):
    def __init__(
        self,
        dataset: LabelledDataset,
        split: str,
        config: TrainSettings,
        statistics: BandStatistics,
        size_divisor: int,
    ) -> None:
        self._dataset = dataset
        self._config = config
        self._divisor = size_divisor
        self._windows = validation_windows(dataset, split, _LARGEST_SIDE if config.squash else _VALIDATION_SIDE)
        self._mean = np.asarray(statistics.mean, np.float32)[:, None, None]
        self._std = np.asarray(statistics.std, np.float32)[:, None, None]

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, index: int) -> Batch:
        sample, window = self._windows[index]
        image, target, valid = read_sample(self._dataset, sample, self._config.bands, window)
        pixels = (image.astype(np.float32) - self._mean) / self._std
        pixels[:, ~valid] = 0
        if self._config.squash:
            side, nearest = self._config.squash, self._config.squash_nearest
            squashed, target = resize_pair(pixels.transpose(1, 2, 0), target, side, nearest=nearest)
            pixels = np.ascontiguousarray(squashed.transpose(2, 0, 1))
        pad = [(0, -side % self._divisor) for side in target.shape]
        chip = np.pad(pixels, ((0, 0), *pad), mode="reflect")
        ids = np.pad(target.astype(np.int64), pad, constant_values=IGNORE_INDEX)
        return torch.from_numpy(chip), torch.from_numpy(ids)


def _chip_settings(config: TrainSettings) -> ChipSettings:
    return ChipSettings(
        size=config.imgsz,
        augmentation=Augmentation(config.mirror, config.flip, config.rotate, config.scale, config.color),
        bands=config.bands,
        seed=config.seed,
        grid=config.chips == "grid",
        min_foreground=config.min_foreground,
        squash=config.squash,
        nearest=config.squash_nearest,
    )
