"""The DeepGlobe layout: metadata.csv with one row for each image, class_dict.csv with one for each class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from overland.datasets.dataset import Sample
from overland.datasets.files import SPLIT_NAMES
from overland.datasets.finding import Finding, count_of, named_files
from overland.datasets.layouts.layout import Layout
from overland.datasets.layouts.tables import Row, classes_from_table, read_table

__all__ = ["layout_from_deepglobe"]

_IMAGES, _CLASSES = "metadata.csv", "class_dict.csv"


def layout_from_deepglobe(root: Path) -> Layout | None:
    """Read DeepGlobe Road or Land Cover as Kaggle hands them out; None when metadata.csv is not there.

    Only rows with a mask are labelled; the others form the split "unlabelled". A class called unknown is ignored; of
    two classes the background comes first. Raises `DataError` for a table that lacks a column.
    """
    if not (root / _IMAGES).is_file():
        return None
    rows = read_table(root / _IMAGES, ("image_id", "split", "sat_image_path", "mask_path"))
    legend, colors = classes_from_table(root / _CLASSES)
    splits: dict[str, list[Sample]] = {}
    for row in rows:
        sample = _sample(root, row)
        split = SPLIT_NAMES.get(row["split"].lower(), row["split"]) if sample.target else "unlabelled"
        splits.setdefault(split, []).append(sample)
    problems = _absent_files([sample for samples in splits.values() for sample in samples], root)
    ordered = {split: tuple(samples) for split, samples in splits.items()}
    return Layout("DeepGlobe tables", root, ordered, legend, colors=colors, problems=problems)


def _sample(root: Path, row: Row) -> Sample:
    target = root / row["mask_path"] if row["mask_path"] else None
    return Sample(f"{row['split']}/{row['image_id']}", root / row["sat_image_path"], target, row["image_id"])


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
