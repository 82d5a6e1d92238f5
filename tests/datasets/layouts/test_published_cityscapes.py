from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from made_sets import make_image, save
from overland.datasets import read_dataset, read_sample
from overland.datasets.layouts.published import layout_from_cityscapes
from overland.errors import DataError


def write_cityscapes(root: Path, ending: str, values: list[int]) -> Path:
    for split, city in (("train", "aachen"), ("val", "ulm"), ("test", "bonn")):
        stem = f"{city}_000000_000019"
        save(root / f"leftImg8bit/{split}/{city}/{stem}_leftImg8bit.png", make_image(0, (1, len(values))))
        save(root / f"gtFine/{split}/{city}/{stem}_gtFine_{ending}.png", np.array([values], np.uint8))
    return root


@pytest.mark.parametrize(
    ("ending", "values"), [("labelIds", [7, 8, 0, 29, 33, 255]), ("labelTrainIds", [0, 1, 255, 255, 18, 255])]
)
def test_nineteen_classes_and_the_rest_ignored(tmp_path: Path, ending: str, values: list[int]) -> None:
    dataset = read_dataset(write_cityscapes(tmp_path, ending, values))
    assert dataset.legend.num_classes == 19
    sample = dataset.splits["train"][0]
    assert (sample.key, sample.group) == ("train/aachen_000000_000019", "aachen")
    assert read_sample(dataset, sample)[1].tolist() == [[0, 1, 255, 255, 18, 255]]
    assert dataset.splits["test"][0].mask is None


def test_a_missing_annotation_is_named(tmp_path: Path) -> None:
    write_cityscapes(tmp_path, "labelIds", [7])
    next((tmp_path / "gtFine/val").rglob("*.png")).unlink()
    with pytest.raises(DataError, match="1 of 2 images without a mask: ulm/ulm_000000_000019"):
        read_dataset(tmp_path)


def test_none_without_both_folders(tmp_path: Path) -> None:
    (tmp_path / "leftImg8bit").mkdir()
    assert layout_from_cityscapes(tmp_path) is None


def test_label_ids_and_training_ids_in_one_set_are_refused(tmp_path: Path) -> None:
    write_cityscapes(tmp_path, "labelIds", [7])
    label = next((tmp_path / "gtFine/val").rglob("*.png"))
    label.rename(label.with_name(label.name.replace("labelIds", "labelTrainIds")))
    with pytest.raises(DataError, match=r"which all of them must have \(or all _gtFine_labelTrainIds.png\)"):
        read_dataset(tmp_path)
