from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from made_sets import make_image, make_mask, save
from overland.datasets import read_dataset, read_sample
from overland.errors import DataError

ROAD = "name,r,g,b\nroad, 255, 255, 255\nbackground, 0, 0, 0\n"
LAND = "name,r,g,b\nurban_land,0,255,255\nwater,0,0,255\nunknown,0,0,0\n"


def write_deepglobe(root: Path, classes: str, mask: np.ndarray, labelled: int = 5) -> Path:
    rows = ["image_id,split,sat_image_path,mask_path"]
    for index in range(labelled):
        save(root / f"train/{index}_sat.jpg", make_image(index))
        save(root / f"train/{index}_mask.png", mask)
        rows.append(f"{index},train,train/{index}_sat.jpg,train/{index}_mask.png")
    save(root / "valid/9_sat.jpg", make_image(9))
    rows.append("9,valid,valid/9_sat.jpg,")
    (root / "metadata.csv").write_text("\n".join(rows))
    (root / "class_dict.csv").write_text(classes)
    return root


def test_roads_are_class_1_and_rows_without_mask_unlabelled(tmp_path: Path) -> None:
    mask = np.repeat(make_mask(high=255)[:, :, None], 3, axis=2)
    mask[0, 8:16] = 130
    dataset = read_dataset(write_deepglobe(tmp_path, ROAD, mask))
    assert dataset.legend.names == ("background", "road")
    assert {split: len(samples) for split, samples in dataset.splits.items()} == {"train": 4, "val": 1, "unlabelled": 1}
    assert np.array_equal(read_sample(dataset, dataset.splits["train"][0])[1], make_mask())


def test_land_cover_keeps_the_order_of_the_table_and_ignores_unknown(tmp_path: Path) -> None:
    mask = np.zeros((24, 32, 3), np.uint8)
    mask[:8] = 10, 240, 255
    mask[8:16] = 0, 0, 200
    dataset = read_dataset(write_deepglobe(tmp_path, LAND, mask))
    assert dataset.legend.names == ("urban_land", "water")
    assert dataset.legend.colors == ((0, 255, 255), (0, 0, 255))
    target = read_sample(dataset, dataset.splits["train"][0])[1]
    assert target[::8, 0].tolist() == [0, 1, 255]


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("class_dict.csv", None, "class_dict.csv is missing"),
        ("class_dict.csv", "name,r,g\nroad,1,2\n", "no column b"),
        ("class_dict.csv", "name,r,g,b\nroad,x,2,3\n", "colour that is no number"),
        ("metadata.csv", "image_id,split\n1,train\n", "no column sat_image_path"),
        ("metadata.csv", "image_id,split,sat_image_path,mask_path\n1,train,train/0_sat.jpg,gone.png\n", "gone.png"),
    ],
)
def test_a_table_that_is_wrong_is_said(tmp_path: Path, file: str, text: str | None, message: str) -> None:
    write_deepglobe(tmp_path, ROAD, make_mask(high=255))
    (tmp_path / file).unlink()
    if text is not None:
        (tmp_path / file).write_text(text)
    with pytest.raises(DataError, match=message):
        read_dataset(tmp_path)


def write_by_name(root: Path, mask: np.ndarray) -> Path:
    for index in range(5):
        save(root / f"train/{index}_sat.jpg", make_image(index))
        save(root / f"train/{index}_mask.png", mask)
    save(root / "valid/9_sat.jpg", make_image(9))
    return root


def test_roads_without_the_tables_are_told_by_their_masks(tmp_path: Path) -> None:
    dataset = read_dataset(write_by_name(tmp_path, make_mask(high=255)))
    assert dataset.legend.names == ("background", "road")
    assert {split: len(samples) for split, samples in dataset.splits.items()} == {"train": 4, "val": 1, "unlabelled": 1}
    assert np.array_equal(read_sample(dataset, dataset.splits["train"][0])[1], make_mask())


def test_land_cover_without_the_tables_has_the_published_colours(tmp_path: Path) -> None:
    mask = np.zeros((24, 32, 3), np.uint8)
    mask[:8] = 0, 255, 255
    mask[8:16] = 0, 0, 255
    dataset = read_dataset(write_by_name(tmp_path, mask))
    assert dataset.legend.names[0] == "urban_land"
    assert read_sample(dataset, dataset.splits["train"][0])[1][::8, 0].tolist() == [0, 4, 255]
