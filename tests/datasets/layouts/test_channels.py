from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from made_sets import make_image, make_mask, save
from overland.datasets import read_dataset, read_sample
from overland.datasets.layouts.channels import layout_from_channels
from overland.errors import DataError


def write_channels(root: Path, mask: np.ndarray, label_map: object = None) -> Path:
    for channel, first, count in (("train", 0, 3), ("validation", 100, 2)):
        for number in range(first, first + count):
            save(root / channel / f"img-{number}.jpg", make_image(number))
            save(root / f"{channel}_annotation" / f"img-{number}.png", mask)
    if label_map is not None:
        (root / "label_map").mkdir()
        (root / "label_map" / "train_label_map.json").write_text(json.dumps(label_map))
    return root


def values(*levels: int) -> np.ndarray:
    return np.array([levels] * 24, np.uint8).repeat(32 // len(levels), axis=1)


def ids_of(root: Path) -> list[int]:
    dataset = read_dataset(root)
    assert {split: len(samples) for split, samples in dataset.splits.items()} == {"train": 3, "val": 2}
    return read_sample(dataset, dataset.splits["val"][0])[1][0, ::8].tolist()


def test_without_a_label_map_values_are_ids_and_255_is_ignored(tmp_path: Path) -> None:
    assert ids_of(write_channels(tmp_path, values(0, 1, 2, 255))) == [0, 1, 2, 255]


def test_a_scale_divides_and_rounds_down(tmp_path: Path) -> None:
    assert ids_of(write_channels(tmp_path, values(0, 3, 7, 255), {"scale": "3"})) == [0, 1, 2, 255]


def test_a_map_goes_from_ids_to_values(tmp_path: Path) -> None:
    # The example of the trainer's own page.
    root = write_channels(tmp_path, values(0, 5, 2, 255), {"map": {"0": 5, "1": 0, "2": 2}})
    assert ids_of(root) == [1, 0, 2, 255]


def test_a_map_may_give_255_to_a_class(tmp_path: Path) -> None:
    root = write_channels(tmp_path, values(0, 255), {"map": {"0": 0, "1": 255}})
    assert ids_of(root) == [0, 0, 1, 1]


def test_0_and_255_without_a_label_map_are_two_classes_and_said(tmp_path: Path) -> None:
    # As published every road pixel was ignored, and the run learned nothing: mIOU 0.5 in all 100 epochs.
    dataset = read_dataset(write_channels(tmp_path, make_mask(high=255)))
    assert dataset.legend.is_binary
    assert any("from 128 on is foreground" in note for note in dataset.notes)
    assert not dataset.names_declared


def test_class_names_beside_the_channels(tmp_path: Path) -> None:
    root = write_channels(tmp_path, values(0, 1), {"map": {"0": 0, "1": 1}})
    assert not read_dataset(root).names_declared
    (root / "class_names.json").write_text('{"0": "background", "1": "road"}')
    dataset = read_dataset(root)
    assert dataset.legend.names == ("background", "road")
    assert dataset.names_declared


@pytest.mark.parametrize(
    ("label_map", "message"),
    [
        ({"classes": 2}, "is no label map"),
        ({"scale": "0"}, "the scale 0"),
        ({"scale": "x"}, "'x' where a whole number"),
        ({"map": {"0": 3, "1": 3}}, "one value to two classes"),
        ({"map": {"300": 3}}, "the class 300"),
        ([1], "no JSON object"),
    ],
)
def test_a_label_map_that_is_wrong_is_said(tmp_path: Path, label_map: object, message: str) -> None:
    write_channels(tmp_path, values(0, 3), label_map)
    with pytest.raises(DataError, match=message):
        read_dataset(tmp_path)


def test_maps_of_the_channels_must_agree(tmp_path: Path) -> None:
    write_channels(tmp_path, values(0, 3), {"scale": "3"})
    (tmp_path / "label_map/validation_label_map.json").write_text('{"scale": "1"}')
    with pytest.raises(DataError, match="different classes"):
        read_dataset(tmp_path)
    (tmp_path / "label_map/train_label_map.json").unlink()
    with pytest.raises(DataError, match=r"train_label_map\.json is not"):
        read_dataset(tmp_path)


def test_none_without_annotations(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    assert layout_from_channels(tmp_path) is None


def test_a_label_map_with_a_key_twice_is_refused(tmp_path: Path) -> None:
    write_channels(tmp_path, values(0, 3), {"map": {"0": 0, "1": 3}})
    path = tmp_path / "label_map/train_label_map.json"
    path.write_text('{"map": {"0": 0, "1": 3, "1": 4}}')
    with pytest.raises(DataError, match="has a key twice"):
        read_dataset(tmp_path)
