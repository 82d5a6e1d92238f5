"""The DeepGlobe layout: metadata.csv with one row for each image, class_dict.csv with one for each class."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from overland.datasets.dataset import Sample
from overland.datasets.files import SPLIT_NAMES
from overland.datasets.finding import Finding, count_of, named_files
from overland.datasets.layouts.layout import Layout
from overland.errors import DataError
from overland.legend import IGNORE_INDEX, Color, Legend, legend_from_names

__all__ = ["layout_from_deepglobe"]

_IMAGES, _CLASSES = "metadata.csv", "class_dict.csv"
_UNLABELLED_NAMES = {"unknown", "void", "ignore"}

Row = dict[str, str]


def layout_from_deepglobe(root: Path) -> Layout | None:
    """Read DeepGlobe Road or Land Cover as Kaggle hands them out; None when metadata.csv is not there.

    Only rows with a mask are labelled; the others form the split "unlabelled". A class called unknown is ignored; of
    two classes the background comes first. Raises `DataError` for a table that lacks a column.
    """
    if not (root / _IMAGES).is_file():
        return None
    rows = _read_table(root / _IMAGES, ("image_id", "split", "sat_image_path", "mask_path"))
    legend, colors = _classes(_read_table(root / _CLASSES, ("name", "r", "g", "b")))
    splits: dict[str, list[Sample]] = {}
    for row in rows:
        sample = _sample(root, row)
        split = SPLIT_NAMES.get(row["split"].lower(), row["split"]) if sample.target else "unlabelled"
        splits.setdefault(split, []).append(sample)
    problems = _absent_files([sample for samples in splits.values() for sample in samples], root)
    ordered = {split: tuple(samples) for split, samples in splits.items()}
    return Layout("DeepGlobe tables", root, ordered, legend, colors=colors, problems=problems)


def _read_table(path: Path, columns: Sequence[str]) -> list[Row]:
    if not path.is_file():
        raise DataError(f"{path} is missing; a DeepGlobe set needs {_IMAGES} and {_CLASSES}. Unpack the archive again.")
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, skipinitialspace=True)
        absent = [name for name in columns if name not in (reader.fieldnames or ())]
        if absent:
            raise DataError(f"{path} has no column {absent[0]}; found {', '.join(reader.fieldnames or ['nothing'])}.")
        return [{name: (row[name] or "").strip() for name in columns} for row in reader]


def _sample(root: Path, row: Row) -> Sample:
    target = root / row["mask_path"] if row["mask_path"] else None
    return Sample(f"{row['split']}/{row['image_id']}", root / row["sat_image_path"], target, row["image_id"])


def _classes(rows: list[Row]) -> tuple[Legend, tuple[tuple[Color, int], ...]]:
    try:
        table = {row["name"]: (int(row["r"]), int(row["g"]), int(row["b"])) for row in rows}
    except ValueError as error:
        raise DataError(f"{_CLASSES} holds a colour that is no number ({error}).") from error
    names = [name for name in table if name.lower() not in _UNLABELLED_NAMES]
    if len(names) == 2:
        names.sort(key=lambda name: name.lower() != "background")
    # Black and white are how a road mask is stored, not how a map should look.
    is_black_and_white = set(table.values()) <= {(0, 0, 0), (255, 255, 255)}
    legend = legend_from_names(names, None if is_black_and_white else [table[name] for name in names])
    ids = {name: names.index(name) if name in names else IGNORE_INDEX for name in table}
    return legend, tuple((color, ids[name]) for name, color in table.items())


def _absent_files(samples: Sequence[Sample], root: Path) -> tuple[Finding, ...]:
    findings = []
    for code, paths in (
        ("missing-image", [sample.image for sample in samples]),
        ("missing-mask", [sample.target for sample in samples if sample.target]),
    ):
        absent = tuple(path for path in paths if not path.is_file())
        if absent:
            message = f"{count_of(absent, 'file')} in {root / _IMAGES} that cannot be found: {named_files(absent)}."
            findings.append(Finding("error", code, f"{message} Unpack the archive again, or remove the rows.", absent))
    return tuple(findings)
