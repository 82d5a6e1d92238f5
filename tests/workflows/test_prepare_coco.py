from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from made_sets import make_image, save
from overland.datasets import read_dataset, read_sample
from overland.errors import DataError
from overland.workflows.prepare_coco import prepare_coco


def write_coco(root: Path, name: str, first: int, count: int, *, label: str = "road") -> Path:
    images, annotations = [], []
    for number in range(first, first + count):
        save(root / "images/city" / f"{number}.png", make_image(number))
        images.append({"id": number, "file_name": f"city/{number}.png", "height": 24, "width": 32})
        square = [8, 0, 16, 0, 16, 24, 8, 24]
        annotations.append({"id": number, "image_id": number, "category_id": 7, "segmentation": [square], "iscrowd": 0})
    values = {"images": images, "annotations": annotations[1:], "categories": [{"id": 7, "name": label}]}
    path = root / name
    path.write_text(json.dumps(values))
    return path


def test_masks_images_and_a_yaml_that_reads_them(tmp_path: Path) -> None:
    train, val = write_coco(tmp_path, "train.json", 0, 3), write_coco(tmp_path, "val.json", 10, 2)
    values = prepare_coco(train, tmp_path / "images", tmp_path / "out", val=val)
    assert values.classes == ("background", "road")
    part = values.splits["train"]
    assert (part.images, part.unannotated) == (3, 1)
    assert part.class_fractions == {"background": pytest.approx(5 / 6), "road": pytest.approx(1 / 6)}
    dataset = read_dataset(tmp_path / "out")
    assert {split: len(samples) for split, samples in dataset.splits.items()} == {"train": 3, "val": 2}
    image, target, _ = read_sample(dataset, dataset.splits["val"][1])
    expected = np.zeros((24, 32), np.uint8)
    expected[:, 8:16] = 1
    assert np.array_equal(target, expected)
    assert np.array_equal(image, make_image(11).transpose(2, 0, 1))


def test_without_val_a_split_is_drawn(tmp_path: Path) -> None:
    prepare_coco(write_coco(tmp_path, "all.json", 0, 5), tmp_path / "images", tmp_path / "out")
    assert set(read_dataset(tmp_path / "out").splits) == {"train", "val"}


def test_categories_must_agree(tmp_path: Path) -> None:
    train, val = write_coco(tmp_path, "train.json", 0, 2), write_coco(tmp_path, "val.json", 10, 2, label="lake")
    with pytest.raises(DataError, match="other categories"):
        prepare_coco(train, tmp_path / "images", tmp_path / "out", val=val)


@pytest.mark.parametrize("fault", ["missing", "size"])
def test_images_that_do_not_fit_are_named_and_nothing_is_left(tmp_path: Path, fault: str) -> None:
    train = write_coco(tmp_path, "train.json", 0, 2)
    if fault == "missing":
        (tmp_path / "images/city/1.png").unlink()
    else:
        save(tmp_path / "images/city/1.png", make_image(1, (20, 32)))
    with pytest.raises(DataError, match=r"1\.png (does not exist|has 20 x 32 pixels)"):
        prepare_coco(train, tmp_path / "images", tmp_path / "out")
    assert not list(tmp_path.glob("out*"))
