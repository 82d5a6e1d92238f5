"""Cut a dataset into chips of one size, once, into a folder that any tool reads."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.datasets import Dataset, Sample, dataset_from_path
from overland.datasets.class_balance import class_counts, fractions_from_counts, weights_from_fractions
from overland.datasets.dataset import DESCRIBED_SPLITS, write_description
from overland.datasets.prepared_chips import (
    Chip,
    ChipRules,
    ChipStore,
    Pad,
    SceneFacts,
    iter_chips,
    plan_chips,
    scene_facts,
)
from overland.errors import DataError, UsageError
from overland.legend import Legend
from overland.output import write_folder
from overland.progress import track

__all__ = [
    "MARKER",
    "check_prepared_folder",
    "prepare_chips",
    "write_prepared_folder",
]


# A folder of prepared data: it appears whole or not at all, and says itself how it was made.

MARKER = "prepared.json"


def check_prepared_folder(output: str | Path, *sources: str | Path, overwrite: bool = False) -> Path:
    """Make sure that a folder of prepared data may be written.

    Raises `UsageError` when it is one of the sources, in one or around one, when it holds something already and
    `overwrite` is not given, and when what it holds was not prepared by Overland: the folder is replaced whole.
    """
    output = Path(output)
    place = output.resolve()
    for source in map(Path, sources):
        folder = source.resolve() if source.is_dir() else source.resolve().parent
        if place == folder or place in folder.parents or (source.is_dir() and folder in place.parents):
            raise UsageError(f"{output} is {source}, in it or around it; choose another output.")
    if output.is_file():
        raise UsageError(f"{output} is a file; name a folder.")
    if not output.is_dir() or not any(output.iterdir()):
        return output
    if not overwrite:
        raise UsageError(f"{output} exists already. Add --overwrite to replace it, or choose another name.")
    if not (output / MARKER).is_file():
        raise UsageError(f"{output} holds something that was not prepared by Overland, so it is not replaced.")
    return output


@contextmanager
def write_prepared_folder(output: Path, command: str, settings: Mapping[str, Any]) -> Iterator[Path]:
    """Give an empty folder to write to; at the end it takes the place of `output`, after an error it goes."""
    with write_folder(output) as part:
        yield part
        text = json.dumps({"command": f"overland data {command}", **settings}, indent=2, ensure_ascii=False)
        (part / MARKER).write_text(text + "\n", encoding="utf-8")


logger = logging.getLogger("overland")

Task = tuple[str, Sample, SceneFacts]


@dataclass
class _Tally:
    """What became of the chips of a split."""

    images: int = 0
    padded: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    counts: npt.NDArray[np.int64] | int = 0

    def add(self, chip: Chip, num_classes: int) -> None:
        self.statuses[chip.status] += 1
        if chip.status == "kept":
            self.padded += chip.window != chip.inside
            self.counts = self.counts + class_counts(chip.labels, num_classes)

    def to_dict(self, legend: Legend) -> dict[str, Any]:
        fractions = fractions_from_counts(legend, np.broadcast_to(self.counts, (legend.num_classes,)))
        return {
            "images": self.images,
            "chips": self.statuses["kept"],
            "padded": self.padded,
            "dropped": {status: count for status, count in sorted(self.statuses.items()) if status != "kept"},
            "class_fractions": fractions,
            "class_weights": weights_from_fractions(fractions),
        }


def prepare_chips(
    data: str | Path,
    output: str | Path,
    *,
    chip_size: int,
    overlap: int = 0,
    pad: Pad = "zero",
    min_foreground: float | None = None,
    drop_blank: bool = False,
    val_fraction: float = 0.2,
    seed: int = 0,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Cut a dataset into chips and write them, with masks of ids, to a folder that is itself a dataset.

    Splits are those of the dataset, or drawn by scene with the seed, so that no scene is in two of them. Options as in
    `overland.datasets.prepared_chips.ChipRules`. Returns for each split the number of images and of chips kept and dropped,
    by reason. Raises `UsageError` for options that make no sense, `DataError` for data that cannot be read and when
    no chip of train is kept.
    """
    rules = ChipRules(chip_size, overlap, pad, min_foreground, drop_blank)
    output = check_prepared_folder(output, data, overwrite=overwrite)
    dataset = dataset_from_path(data, val_fraction=val_fraction, seed=seed)
    _check_foreground(dataset, rules)
    for note in dataset.notes:
        logger.warning("%s", note)
    tasks, left_out = _tasks(dataset)
    settings = {**asdict(rules), "val_fraction": val_fraction, "seed": seed}
    with write_prepared_folder(output, "chips", settings) as part:
        tallies = _write_chips(part, dataset, tasks, rules)
        if not tallies.get("train", _Tally()).statuses["kept"]:
            raise DataError(_nothing_kept(dataset, tallies))
        kept = [split for split, tally in tallies.items() if tally.statuses["kept"]]
        write_description(part, dataset.legend, kept, names_declared=dataset.names_declared)
    splits = {split: tally.to_dict(dataset.legend) for split, tally in tallies.items()}
    values = {"data": str(data), "output": str(output), **settings, "left_out": left_out, "splits": splits}
    return {**values, "chips": sum(split["chips"] for split in splits.values()), "notes": list(dataset.notes)}


def _check_foreground(dataset: Dataset, rules: ChipRules) -> None:
    if rules.min_foreground is not None and dataset.legend.background is None:
        raise UsageError(
            f"min_foreground needs a class named background, and {dataset.name} has {', '.join(dataset.legend.names)}: "
            "all of it is foreground. Leave the option out."
        )


def _tasks(dataset: Dataset) -> tuple[list[Task], dict[str, int]]:
    """Labelled images of train, val and test with their headers, and how many images of each split are left out."""
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
    planned = sum(_planned(facts, rules) for _, _, facts in tasks)
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


def _planned(facts: SceneFacts, rules: ChipRules) -> int:
    return sum(map(len, plan_chips(facts.grid.height, facts.grid.width, rules)))


def _nothing_kept(dataset: Dataset, tallies: dict[str, _Tally]) -> str:
    dropped = tallies["train"].statuses if "train" in tallies else Counter[str]()
    reasons = ", ".join(f"{count} {status}" for status, count in dropped.items()) or "there was none"
    return (
        f"No chip of train was kept from {dataset.root} ({reasons}). "
        "Lower --min-foreground, or look at the set with `overland data check`."
    )
