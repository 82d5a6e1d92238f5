"""Cut a dataset into chips of one size, once, into a folder that any tool reads."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from overland.datasets import Dataset, DataSource, Sample, read_dataset
from overland.datasets.check import check_before_use
from overland.datasets.class_balance import class_counts, fractions_from_counts, weights_from_fractions
from overland.datasets.dataset import DESCRIBED_SPLITS, write_description
from overland.datasets.prepared_chips import (
    Chip,
    ChipRules,
    ChipStore,
    SceneFacts,
    iter_chips,
    plan_chips,
    scene_facts,
)
from overland.datasets.prepared_folder import check_prepared_folder, write_prepared_folder
from overland.errors import DataError, UsageError
from overland.legend import Legend
from overland.progress import track
from overland.result import Result

__all__ = ["PrepareChipsResult", "SplitChips", "prepare_chips"]


logger = logging.getLogger(__name__)

Task = tuple[str, Sample, SceneFacts]


@dataclass(frozen=True)
class SplitChips:
    """The chips of a split.

    Attributes:
        images: Number of images that were cut.
        chips: Number of chips that were kept.
        padded: Number of those that reach beyond their image.
        dropped: Number of chips that were dropped, by reason.
        class_fractions: Fraction of each class in the labelled pixels of the chips kept.
        class_weights: Weight of each class in a loss.
    """

    images: int
    chips: int
    padded: int
    dropped: dict[str, int]
    class_fractions: dict[str, float]
    class_weights: dict[str, float]


@dataclass(frozen=True)
class PrepareChipsResult(Result):
    """The folder of chips and its contents.

    Attributes:
        data: The dataset that was cut.
        output: The folder of chips, a dataset itself.
        rules: Rules by which chips were cut and kept.
        val_fraction: Fraction of the images that became val where the dataset had no val split.
        seed: Seed of that split.
        left_out: Number of images of each split that have no masks.
        splits: The chips of each split.
        chips: Number of all chips kept.
        notes: Lines on what was decided by rule.
    """

    data: str
    output: str
    rules: ChipRules
    val_fraction: float
    seed: int
    left_out: dict[str, int]
    splits: dict[str, SplitChips]
    chips: int
    notes: tuple[str, ...]


@dataclass
class _Tally:
    """Counts of the chips of a split."""

    images: int = 0
    padded: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    counts: npt.NDArray[np.int64] | int = 0

    def add(self, chip: Chip, num_classes: int) -> None:
        """Count a chip.

        Args:
            chip: The chip, kept or dropped.
            num_classes: Number of classes of the dataset.
        """
        self.statuses[chip.status] += 1
        if chip.status == "kept":
            self.padded += chip.window != chip.inside
            self.counts = self.counts + class_counts(chip.labels, num_classes)

    def result(self, legend: Legend) -> SplitChips:
        """Return the counts with the fractions and weights of the classes.

        Args:
            legend: The classes of the dataset.

        Returns:
            The chips of the split.
        """
        fractions = fractions_from_counts(legend, np.broadcast_to(self.counts, (legend.num_classes,)))
        return SplitChips(
            images=self.images,
            chips=self.statuses["kept"],
            padded=self.padded,
            dropped={status: count for status, count in sorted(self.statuses.items()) if status != "kept"},
            class_fractions=fractions,
            class_weights=weights_from_fractions(fractions),
        )


def prepare_chips(
    data: DataSource,
    output: str | Path,
    *,
    chip_size: int,
    overlap: int = 0,
    pad: Literal["zero", "reflect", "none"] = "zero",
    min_foreground: float | None = None,
    drop_blank: bool = False,
    val_fraction: float = 0.2,
    seed: int = 0,
    overwrite: bool = False,
) -> PrepareChipsResult:
    """Cut a dataset into chips of one size, once.

    The output becomes a folder that is itself a dataset: images/ and masks/ in the splits of the data, data.yaml, and
    manifest.csv with the place of every chip and why it was dropped if it was. Chips are lossless: PNG, or GeoTIFF with
    the place on the ground where the image has one. Masks hold class ids, 255 for no label, whatever the masks of the
    data held. Chips without any label are always dropped; chips of one scene are in one split.

    Args:
        data: Dataset: a folder, a dataset YAML, or a reader of your own as package.module:reader@folder; in Python also
            the layout or dataset that a reader returned.
        output: Folder for the chips.
        chip_size: Side of a chip in pixels.
        overlap: Pixels that neighbours share.
        pad: Filling of a chip beyond the image's edge: zero (nodata where the file has it) or reflect, both without a
            label; none moves the last chip back inside.
        min_foreground: Drop chips of train with a smaller fraction of classes other than the background.
        drop_blank: Drop chips of which half or more is nodata, black or white, or of one value.
        val_fraction: Fraction of the images that becomes val where the dataset has no val split.
        seed: Seed of that split.
        overwrite: Replace chips that are there already.

    Returns:
        For each split the number of images and of chips kept and dropped, by reason.

    Raises:
        UsageError: Options make no sense, or the output may not be written.
        DataError: The data cannot be read, `check_data` finds an error in it, or no chip of train is kept.
    """
    rules = ChipRules(chip_size, overlap, pad, min_foreground, drop_blank)
    output = check_prepared_folder(output, data, overwrite=overwrite)
    dataset = read_dataset(data, val_fraction=val_fraction, seed=seed)
    if min_foreground is not None and dataset.legend.background is None:
        raise UsageError(
            f"min_foreground needs a class named background, and {dataset.name} has {', '.join(dataset.legend.names)}: "
            "all of it is foreground. Leave the option out."
        )
    check_before_use(dataset)
    for note in dataset.notes:
        logger.warning("%s", note)
    tasks, left_out = _tasks(dataset)
    settings = {**asdict(rules), "val_fraction": val_fraction, "seed": seed}
    with write_prepared_folder(output, "chips", settings) as part:
        tallies = _write_chips(part, dataset, tasks, rules)
        of_train = tallies.get("train", _Tally()).statuses
        if not of_train["kept"]:
            reasons = ", ".join(f"{count} {status}" for status, count in of_train.items()) or "there was none"
            raise DataError(
                f"No chip of train was kept from {dataset.root} ({reasons}). "
                "Lower --min-foreground, or look at the set with `overland data check`."
            )
        kept = [split for split, tally in tallies.items() if tally.statuses["kept"]]
        write_description(part, dataset.legend, kept, names_declared=dataset.names_declared)
    splits = {split: tally.result(dataset.legend) for split, tally in tallies.items()}
    return PrepareChipsResult(
        data=str(dataset.root),
        output=str(output),
        rules=rules,
        val_fraction=val_fraction,
        seed=seed,
        left_out=left_out,
        splits=splits,
        chips=sum(split.chips for split in splits.values()),
        notes=dataset.notes,
    )


def _tasks(dataset: Dataset) -> tuple[list[Task], dict[str, int]]:
    """Return the labelled images of train, val and test with their headers, and the number left out by split."""
    tasks: list[Task] = []
    left_out: Counter[str] = Counter()
    for split, samples in dataset.splits.items():
        for sample in samples:
            if split in DESCRIBED_SPLITS and sample.mask is not None:
                tasks.append((split, sample, scene_facts(sample)))
            else:
                left_out[split] += 1
    for split, count in left_out.items():
        logger.info("Left out: %d images of %s, which have no masks.", count, split)
    return tasks, dict(left_out)


def _write_chips(folder: Path, dataset: Dataset, tasks: list[Task], rules: ChipRules) -> dict[str, _Tally]:
    tallies: dict[str, _Tally] = {}
    planned = sum(sum(map(len, plan_chips(facts.grid.height, facts.grid.width, rules))) for _, _, facts in tasks)
    with (
        (folder / "manifest.csv").open("w", encoding="utf-8", newline="") as manifest,
        track("Cutting chips", planned, "chips") as advance,
    ):
        store = ChipStore(folder, dataset, manifest)
        for split, sample, facts in tasks:
            tally = tallies.setdefault(split, _Tally())
            tally.images += 1
            for chip in iter_chips(dataset, sample, facts, rules, for_training=split == "train"):
                store.add(split, sample, facts, chip)
                tally.add(chip, dataset.legend.num_classes)
                advance(1)
    return tallies
