"""What the loaders feed: chips for training in a new order each epoch, whole windows for validation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from overland.config import TrainConfig
from overland.datasets import Dataset as LabelledDataset
from overland.datasets import read_sample
from overland.datasets.augment import Augmentation
from overland.datasets.chips import BandStatistics, ChipCutter, validation_windows
from overland.legend import IGNORE_INDEX

__all__ = ["EpochSampler", "training_loader", "validation_loader"]

_VALIDATION_SIDE = 1024

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
    dataset: LabelledDataset, config: TrainConfig, statistics: BandStatistics, *, pin_memory: bool
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
    dataset: LabelledDataset,
    split: str,
    statistics: BandStatistics,
    *,
    bands: Sequence[int] | None,
    size_divisor: int,
) -> DataLoader[Batch]:
    """Windows of the split one by one, padded by reflection to a multiple of `size_divisor`; padding is ignored."""
    return DataLoader(_WindowDataset(dataset, split, statistics, bands, size_divisor), batch_size=1)


class _ChipDataset(Dataset[Batch]):
    def __init__(self, dataset: LabelledDataset, config: TrainConfig, statistics: BandStatistics) -> None:
        augmentation = Augmentation(config.mirror, config.flip, config.rotate, config.scale, config.color)
        self._cutter = ChipCutter(
            dataset,
            "train",
            chip_size=config.imgsz,
            statistics=statistics,
            augmentation=augmentation,
            bands=config.bands,
            seed=config.seed,
        )

    def __len__(self) -> int:
        return len(self._cutter)

    def __getitem__(self, epoch_and_index: tuple[int, int]) -> Batch:
        chip, target = self._cutter.cut(*epoch_and_index)
        return torch.from_numpy(chip), torch.from_numpy(target.astype(np.int64))


class _WindowDataset(Dataset[Batch]):
    def __init__(
        self,
        dataset: LabelledDataset,
        split: str,
        statistics: BandStatistics,
        bands: Sequence[int] | None,
        size_divisor: int,
    ) -> None:
        self._dataset = dataset
        self._bands = bands
        self._divisor = size_divisor
        self._windows = validation_windows(dataset, split, _VALIDATION_SIDE)
        self._mean = np.asarray(statistics.mean, np.float32)[:, None, None]
        self._std = np.asarray(statistics.std, np.float32)[:, None, None]

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, index: int) -> Batch:
        sample, window = self._windows[index]
        image, target, valid = read_sample(self._dataset, sample, self._bands, window)
        pad = [(0, -side % self._divisor) for side in target.shape]
        pixels = (image.astype(np.float32) - self._mean) / self._std
        pixels[:, ~valid] = 0
        chip = np.pad(pixels, ((0, 0), *pad), mode="reflect")
        ids = np.pad(target.astype(np.int64), pad, constant_values=IGNORE_INDEX)
        return torch.from_numpy(chip), torch.from_numpy(ids)
