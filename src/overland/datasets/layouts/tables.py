"""Tables that come with published sets: CSV files with a row for each image or each class."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from overland.errors import DataError
from overland.legend import IGNORE_INDEX, Color, Legend, legend_from_names

__all__ = ["Row", "classes_from_table", "read_table"]

_UNLABELLED_NAMES = {"unknown", "void", "ignore"}

Row = dict[str, str]


def read_table(path: Path, columns: Sequence[str]) -> list[Row]:
    """Read the named columns of a CSV file. Raises `DataError` for a file that is missing or lacks one of them."""
    if not path.is_file():
        raise DataError(f"{path} is missing, and the set cannot be read without it. Unpack the archive again.")
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, skipinitialspace=True)
        absent = [name for name in columns if name not in (reader.fieldnames or ())]
        if absent:
            raise DataError(f"{path} has no column {absent[0]}; found {', '.join(reader.fieldnames or ['nothing'])}.")
        return [{name: (row[name] or "").strip() for name in columns} for row in reader]


def classes_from_table(path: Path) -> tuple[Legend, tuple[tuple[Color, int], ...]]:
    """The legend and the id of each colour from a table with the columns name, r, g, b.

    A class called unknown is ignored; of two classes the background comes first. Raises `DataError` for a table that
    cannot be read so.
    """
    rows = read_table(path, ("name", "r", "g", "b"))
    try:
        table = {row["name"]: (int(row["r"]), int(row["g"]), int(row["b"])) for row in rows}
    except ValueError as error:
        raise DataError(f"{path} holds a colour that is no number ({error}).") from error
    names = [name for name in table if name.lower() not in _UNLABELLED_NAMES]
    if len(names) == 2:
        names.sort(key=lambda name: name.lower() != "background")
    # Black and white are how a road mask is stored, not how a map should look.
    is_black_and_white = set(table.values()) <= {(0, 0, 0), (255, 255, 255)}
    legend = legend_from_names(names, None if is_black_and_white else [table[name] for name in names])
    ids = {name: names.index(name) if name in names else IGNORE_INDEX for name in table}
    return legend, tuple((color, ids[name]) for name, color in table.items())
