from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from made_sets import make_image, make_mask, save
from overland.datasets import read_dataset, read_sample
from overland.errors import DataError

TABLE = "Pixel Value, Class\n0, background\n7, road\n"


def write_export(root: Path, train: str = TABLE, valid: str = TABLE) -> Path:
    for split, table in (("train", train), ("valid", valid)):
        for index in range(2):
            save(root / split / f"{index}_jpg.rf.abc.jpg", make_image(index))
            save(root / split / f"{index}_jpg.rf.abc_mask.png", make_mask(high=7))
        (root / split / "_classes.csv").write_text(table)
    return root


def test_the_table_names_the_values(tmp_path: Path) -> None:
    dataset = read_dataset(write_export(tmp_path))
    assert dataset.legend.names == ("background", "road")
    assert {split: len(samples) for split, samples in dataset.splits.items()} == {"train": 2, "val": 2}
    assert np.array_equal(read_sample(dataset, dataset.splits["val"][0])[1], make_mask())


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (TABLE.replace("7", "8"), "of its splits differ"),
        ("Pixel Value, Name\n0, a\n", "no column Class"),
    ],
)
def test_tables_that_do_not_fit_are_refused(tmp_path: Path, table: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_dataset(write_export(tmp_path, valid=table))
