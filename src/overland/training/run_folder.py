"""The folder of a training run: args.yaml (data and settings), splits.csv (which image was for what), results.csv.

The split belongs to the run: images that are added to a folder later would move others from "train" to "val" if it were
drawn again, and a model would be scored on what it has learned.
"""

from __future__ import annotations

import csv
import logging
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from overland.datasets import Dataset
from overland.errors import DataError
from overland.output import write_table
from overland.text import load_yaml
from overland.training.settings import TrainSettings, train_settings_from_mapping

__all__ = [
    "SETTINGS_FILE",
    "RunRecord",
    "copy_run",
    "read_history",
    "read_run",
    "run_of_model",
    "with_split_of_run",
    "write_history",
    "write_run",
]

SETTINGS_FILE = "args.yaml"
UNSEEN = "unseen"
_SPLITS = "splits.csv"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunRecord:
    """The data, split and settings that a run was started with.

    Args:
        data: The dataset, an absolute path; "given:..." for one that was given as a Python object.
        settings: Settings of the run.
        root: Folder of the dataset, an absolute path; the images of splits.csv lie under it.
        synthetic: Whether its scenes are drawn, not photographed.
    """

    data: str
    settings: TrainSettings
    root: str = ""
    synthetic: bool = False


def write_run(folder: Path, record: RunRecord, dataset: Dataset) -> None:
    """Write args.yaml and splits.csv of a new run.

    Args:
        folder: Folder of the run, which is there.
        record: What the run is started with.
        dataset: Its images, in splits.
    """
    rows = [
        {
            "split": split,
            "key": sample.key,
            "group": sample.group,
            "image": _place(sample.image, Path(record.root)),
            "mask": "" if sample.mask is None else _place(sample.mask, Path(record.root)),
        }
        for split, samples in dataset.splits.items()
        for sample in samples
    ]
    write_table(folder / _SPLITS, rows, ("split", "key", "group", "image", "mask"))
    # Last, as it is what makes the folder one of a run.
    _write_record(folder, record)


def copy_run(run: Path, copy: Path, record: RunRecord) -> None:
    """Copy a run so far as it takes to go on with it under other settings; checkpoints are linked, not copied.

    Args:
        run: Folder of the run.
        copy: Folder of the copy, which is made.
        record: What the copy says it was started with.
    """
    (copy / "weights").mkdir(parents=True)
    for checkpoint in sorted((run / "weights").glob("*.ckpt")):
        (copy / "weights" / checkpoint.name).symlink_to(checkpoint.resolve())
    for name in ("results.csv", _SPLITS):
        if (run / name).is_file():
            shutil.copyfile(run / name, copy / name)
    _write_record(copy, record)


def read_run(folder: str | Path) -> RunRecord:
    """Read what a run was started with.

    Args:
        folder: Folder of the run.

    Raises:
        DataError: It is no folder of a run.
        UsageError: Its args.yaml holds settings that are not known.
    """
    path = Path(folder) / SETTINGS_FILE
    if not path.is_file():
        raise DataError(f"{folder} is not the folder of a run: it has no {SETTINGS_FILE}.")
    values = load_yaml(path)
    if not isinstance(values.get("data"), str):
        raise DataError(f"{path} does not say which data the run was started with.")
    settings = {name: value for name, value in values.items() if name not in ("data", "root", "synthetic")}
    return RunRecord(
        data=values["data"],
        settings=train_settings_from_mapping(settings, str(path)),
        root=str(values.get("root") or ""),
        synthetic=values.get("synthetic") is True,
    )


def run_of_model(model: str | Path) -> Path | None:
    """Return the folder of the run that a model lies in, None for a model outside of any.

    Args:
        model: A run folder, or a bundle in its folder `weights`.
    """
    path = Path(model).resolve()
    for folder in (path, path.parent.parent):
        if (folder / SETTINGS_FILE).is_file() and (folder / _SPLITS).is_file():
            return folder
    return None


def with_split_of_run(dataset: Dataset, run: Path) -> Dataset:
    """Put the images of a dataset into the splits that they had in a run.

    Images are told by where they lie, so that another dataset whose files have the same names is another dataset. Where
    the run's dataset is no longer at its place it has moved: then the places within the folder count.

    Args:
        dataset: A dataset, perhaps that of the run with images added since.
        run: Folder of the run.

    Returns:
        The dataset in the run's splits. Images that the run did not know are in the split "unseen". A dataset that
        shares no image with the run comes back as it is.

    Raises:
        DataError: splits.csv cannot be read.
    """
    path = run / _SPLITS
    try:
        with path.open(newline="", encoding="utf-8") as file:
            recorded = {row["image"]: row["split"] for row in csv.DictReader(file)}
    except (OSError, KeyError, csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error!r}); it says which image the run used for what.") from error
    samples = [sample for split in dataset.splits.values() for sample in split]
    root = Path(read_run(run).root or dataset.root)
    root = root if root.is_dir() else dataset.root
    places = {sample: _place(sample.image, root) for sample in samples}
    if not any(place in recorded for place in places.values()):
        return dataset
    names = list(dict.fromkeys([*(name for name in recorded.values()), UNSEEN]))
    splits = {
        name: tuple(sample for sample in samples if recorded.get(places[sample], UNSEEN) == name) for name in names
    }
    if splits[UNSEEN]:
        logger.warning(
            "Images added to %s since the run %s was started: %d. They are its split %r, neither trained on nor scored "
            "as validation.",
            dataset.root,
            run,
            len(splits[UNSEEN]),
            UNSEEN,
        )
    missing = len(recorded) - sum(place in recorded for place in places.values())
    if missing:
        logger.warning("Images of the run %s that are no longer in %s: %d.", run, dataset.root, missing)
    return replace(dataset, splits={name: found for name, found in splits.items() if found})


def read_history(path: str | Path) -> list[dict[str, float]]:
    """Read the rows of a results.csv as numbers; none when there is no file yet.

    Args:
        path: The file.
    """
    path = Path(path)
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [{name: float(value or "nan") for name, value in row.items()} for row in csv.DictReader(file)]


def write_history(path: Path, rows: Iterable[Mapping[str, float]]) -> None:
    """Write the rows of a results.csv, whole or not at all.

    Args:
        path: The file to write.
        rows: Numbers by column, an epoch each.
    """
    rows = [{**row, "epoch": int(row["epoch"])} for row in rows]
    write_table(path, rows, list(rows[-1]) if rows else [])


def _place(path: Path, root: Path) -> str:
    """Return a file's path from the dataset's root, so that data may move; absolute where it lies elsewhere."""
    try:
        return path.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return path.resolve().as_posix()


def _write_record(folder: Path, record: RunRecord) -> None:
    values: dict[str, Any] = {"data": record.data, "root": record.root}
    values |= {"synthetic": True} if record.synthetic else {}
    values |= record.settings.to_dict()
    (folder / SETTINGS_FILE).write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
