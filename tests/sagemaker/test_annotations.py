from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from overland.datasets import read_dataset
from overland.errors import DataError
from overland.sagemaker.annotations import check_annotations, check_num_classes
from sagemaker_made import write_job

PUBLISHED_REMEDY = '{"map": {"0": 0, "1": 255}}'


def data_of(tmp_path: Path, **options: object) -> Path:
    return write_job(tmp_path / "ml", {}, **options) / "input" / "data"


def test_the_published_failure_is_refused_with_the_label_map_that_it_needs(tmp_path: Path):
    with pytest.raises(DataError) as caught:
        check_annotations(data_of(tmp_path, road=255), 2)
    message = str(caught.value)
    assert "hold the values 0 and 255 alone" in message
    assert f"train_label_map.json that holds this text: {PUBLISHED_REMEDY}" in message


def test_with_that_label_map_they_are_two_classes(tmp_path: Path):
    data = data_of(tmp_path, road=255, label_map={"map": {"0": 0, "1": 255}})
    check_annotations(data, 2)
    dataset = read_dataset(data)
    check_num_classes(dataset, 2)
    assert dataset.legend.num_classes == 2


def test_ids_are_fine_and_255_among_them_is_ignored(tmp_path: Path):
    data = data_of(tmp_path)
    mask = data / "train_annotation" / "0000.png"
    pixels = np.array(Image.open(mask))
    pixels[0, :5] = 255
    Image.fromarray(pixels).save(mask)
    check_annotations(data, 2)
    check_annotations(data, None)


def test_values_beyond_the_number_of_classes_come_with_a_label_map(tmp_path: Path):
    with pytest.raises(DataError, match=r'num_classes is 2.*values 0, 7, .*: \{"map": \{"0": 0, "1": 7\}\}'):
        check_annotations(data_of(tmp_path, road=7), 2)


def test_more_values_than_classes_are_told_with_both_numbers(tmp_path: Path):
    data = data_of(tmp_path)
    Image.fromarray(np.arange(64, dtype=np.uint8).repeat(64).reshape(64, 64)).save(data / "train_annotation/0000.png")
    with pytest.raises(DataError, match="num_classes is 2, and .* hold 64 values"):
        check_annotations(data, 2)


def test_fewer_classes_than_said_are_told_with_both_numbers(tmp_path: Path):
    dataset = read_dataset(data_of(tmp_path))
    with pytest.raises(DataError, match=r"num_classes is 5, and the annotations have 2 classes .*Set num_classes to 2"):
        check_num_classes(dataset, 5)
    check_num_classes(dataset, None)


def test_an_address_that_is_the_beginning_of_both_channels_is_told(tmp_path: Path):
    data = data_of(tmp_path)
    (data / "train" / "train_annotation").mkdir()
    with pytest.raises(DataError, match=r"channel train holds a folder train_annotation.*s3://\.\.\./train/"):
        check_annotations(data, 2)
