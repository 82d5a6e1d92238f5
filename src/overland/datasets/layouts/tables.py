"""Sets that come with a table: DeepGlobe (with its tables or without) and the masks that Roboflow exports."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from overland.datasets.dataset import Sample
from overland.datasets.files import SPLIT_NAMES, list_images, pair_by_stem, split_folders
from overland.datasets.issue import Issue, count_of, named_files
from overland.datasets.layouts.layout import Layout
from overland.datasets.masks import color_counts, read_mask
from overland.errors import DataError
from overland.legend import IGNORE_INDEX, Color, Legend, legend_from_names
from overland.text import check_name, read_text

__all__ = ["classes_from_table", "layout_from_deepglobe", "layout_from_roboflow", "read_table"]

_UNLABELLED_NAMES = {"unknown", "void", "ignore", "unlabeled", "unlabelled"}

ColorIds = tuple[tuple[Color, int], ...]


def read_table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Read columns of a CSV file, in any encoding that `overland.text.read_text` knows.

    Args:
        path: The file.
        columns: Names of the columns.

    Returns:
        The cells of each row by column, without spaces at their ends.

    Raises:
        DataError: The file is missing or lacks a column.
    """
    if not path.is_file():
        raise DataError(f"{path} is missing, and the set cannot be read without it. Unpack the archive again.")
    reader = csv.DictReader(io.StringIO(read_text(path)), skipinitialspace=True)
    fields = [name.strip() for name in reader.fieldnames or ()]
    reader.fieldnames = fields
    absent = [name for name in columns if name not in fields]
    if absent:
        raise DataError(f"{path} has no column {absent[0]}; found {', '.join(fields or ['nothing'])}.")
    return [{name: (row[name] or "").strip() for name in columns} for row in reader]


def classes_from_table(path: Path) -> tuple[Legend, ColorIds]:
    """Read classes and their colours from a table with the columns name, r, g, b.

    A class called unknown is ignored; of two classes the background comes first.

    Args:
        path: The CSV file.

    Returns:
        The legend, and the class id of each colour.

    Raises:
        DataError: The table cannot be read so.
    """
    rows = read_table(path, ("name", "r", "g", "b"))
    try:
        table = {check_name(row["name"], str(path)): (int(row["r"]), int(row["g"]), int(row["b"])) for row in rows}
    except ValueError as error:
        raise DataError(f"{path} holds a colour that is no number ({error}).") from error
    if len(table) < len(rows):
        raise DataError(f"{path} names a class twice: {', '.join(row['name'] for row in rows)}.")
    return _classes(table)


def _classes(table: dict[str, Color]) -> tuple[Legend, ColorIds]:
    names = [name for name in table if name.lower() not in _UNLABELLED_NAMES]
    if len(names) == 2:
        names.sort(key=lambda name: name.lower() != "background")
    # Black and white are how a road mask is stored, not how a map should look.
    is_black_and_white = set(table.values()) <= {(0, 0, 0), (255, 255, 255)}
    legend = legend_from_names(names, None if is_black_and_white else [table[name] for name in names])
    ids = {name: names.index(name) if name in names else IGNORE_INDEX for name in table}
    return legend, tuple((color, ids[name]) for name, color in table.items())


_IMAGES, _CLASSES = "metadata.csv", "class_dict.csv"
_SAT, _MASK = "_sat", "_mask"
_LOOKED_AT = 8
_ROAD: dict[str, Color] = {"background": (0, 0, 0), "road": (255, 255, 255)}
_LAND_COVER: dict[str, Color] = {
    "urban_land": (0, 255, 255),
    "agriculture_land": (255, 255, 0),
    "rangeland": (255, 0, 255),
    "forest_land": (0, 255, 0),
    "water": (0, 0, 255),
    "barren_land": (255, 255, 255),
    "unknown": (0, 0, 0),
}


def layout_from_deepglobe(root: Path) -> Layout | None:
    """Read DeepGlobe Road or Land Cover, as Kaggle hands them out or as the challenge did.

    Kaggle's metadata.csv has a row for each image and class_dict.csv one for each class. Without them images are
    ID_sat.jpg and masks ID_mask.png, in the folder or in its train, valid and test; the masks tell which of the two
    sets it is. Images without a mask form the split "unlabelled". A class called unknown is ignored; of two classes
    the background comes first. Source: I. Demir et al., DeepGlobe 2018.

    Args:
        root: The folder of the dataset.

    Returns:
        The layout; None where neither is there.

    Raises:
        DataError: A table lacks a column.
    """
    if not (root / _IMAGES).is_file():
        return _deepglobe_by_name(root)
    splits: dict[str, list[Sample]] = {}
    for row in read_table(root / _IMAGES, ("image_id", "split", "sat_image_path", "mask_path")):
        mask = root / row["mask_path"] if row["mask_path"] else None
        split = SPLIT_NAMES.get(row["split"].lower(), row["split"]) if mask else "unlabelled"
        key = f"{row['split']}/{row['image_id']}"
        splits.setdefault(split, []).append(Sample(key, root / row["sat_image_path"], mask, row["image_id"]))
    legend, colors = classes_from_table(root / _CLASSES)
    listed = [sample for samples in splits.values() for sample in samples]
    issues = []
    for code, paths in (
        ("missing-image", [sample.image for sample in listed]),
        ("missing-mask", [sample.mask for sample in listed if sample.mask]),
    ):
        absent = tuple(path for path in paths if not path.is_file())
        if absent:
            message = f"{count_of(absent, 'file')} in {root / _IMAGES} that cannot be found: {named_files(absent)}."
            issues.append(Issue("error", code, f"{message} Unpack the archive again, or remove the rows.", absent))
    problems = tuple(issues)
    ordered = {split: tuple(samples) for split, samples in splits.items()}
    return Layout("DeepGlobe tables", root, ordered, legend, colors=colors, problems=problems)


def _deepglobe_by_name(root: Path) -> Layout | None:
    splits: dict[str, list[Sample]] = {}
    for split, folder in (split_folders(root) or {"train": root}).items():
        images = {path.stem: path for path in sorted(folder.iterdir()) if path in set(list_images(folder))}
        for stem, path in images.items():
            if stem.endswith(_SAT):
                name = stem.removesuffix(_SAT)
                mask = images.get(name + _MASK)
                splits.setdefault(split if mask else "unlabelled", []).append(
                    Sample(f"{folder.name}/{name}", path, mask, name)
                )
    masks = [sample.mask for samples in splits.values() for sample in samples if sample.mask]
    if not masks:
        return None
    sampled = masks[:: max(1, len(masks) // _LOOKED_AT)]
    is_colored = any(len(set(color)) > 1 for path in sampled for color in color_counts(read_mask(path)))
    legend, colors = _classes(_LAND_COVER if is_colored else _ROAD)
    if (root / _CLASSES).is_file():
        legend, colors = classes_from_table(root / _CLASSES)
    ordered = {split: tuple(samples) for split, samples in splits.items()}
    return Layout("DeepGlobe files (ID_sat and ID_mask)", root, ordered, legend, colors=colors)


_ROBOFLOW_TABLE = "_classes.csv"


def layout_from_roboflow(root: Path) -> Layout | None:
    """Read the semantic masks that Roboflow exports: SPLIT/X.jpg with SPLIT/X_mask.png and SPLIT/_classes.csv.

    Args:
        root: The folder of the dataset.

    Returns:
        The layout; None where no split has the table.

    Raises:
        DataError: A table cannot be read, or two of them differ.
    """
    folders = {split: path for split, path in split_folders(root).items() if (path / _ROBOFLOW_TABLE).is_file()}
    tables = {split: read_table(path / _ROBOFLOW_TABLE, ("Pixel Value", "Class")) for split, path in folders.items()}
    if not tables:
        return None
    rows = next(iter(tables.values()))
    if any(other != rows for other in tables.values()):
        raise DataError(f"{root}: the {_ROBOFLOW_TABLE} of its splits differ; export all of them at once.")
    try:
        names = {int(row["Pixel Value"]): check_name(row["Class"], _ROBOFLOW_TABLE) for row in rows}
    except ValueError as error:
        raise DataError(f"{root}: {_ROBOFLOW_TABLE} has a pixel value that is no number ({error}).") from error
    splits: dict[str, tuple[Sample, ...]] = {}
    problems: list[Issue] = []
    for split, folder in folders.items():
        files = list_images(folder)
        masks = [path for path in files if path.stem.endswith(_MASK)]
        images = [path for path in files if path not in set(masks)]
        splits[split], issues = pair_by_stem(images, folder, masks, folder, split)
        problems += issues
    mapping = {value: index for index, value in enumerate(sorted(names))}
    legend = legend_from_names([names[value] for value in sorted(names)])
    return Layout("Roboflow masks", root, splits, legend, label_mapping=mapping, problems=tuple(problems))
