from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from made_sets import make_image, make_mask, save, write_set
from overland.datasets import Sample, read_dataset, read_sample
from overland.datasets.dataset import read_labels
from overland.errors import DataError
from overland.geo.grid import Window


def test_a_sample_is_read_with_its_ids(tmp_path: Path) -> None:
    dataset = read_dataset(write_set(tmp_path))
    sample = dataset.splits["train"][0]
    image, target, valid = read_sample(dataset, sample)
    assert sample.key == "train/img-0"
    assert np.array_equal(image, make_image(0).transpose(2, 0, 1))
    assert np.array_equal(target, make_mask())
    assert valid.all()


def test_bands_and_window_are_read_alone(tmp_path: Path) -> None:
    dataset = read_dataset(write_set(tmp_path))
    image, target, _ = read_sample(
        dataset, dataset.splits["train"][0], bands=(3,), window=Window(col_off=6, row_off=2, width=7, height=5)
    )
    assert np.array_equal(image[0], make_image(0)[2:7, 6:13, 2])
    assert np.array_equal(target, make_mask()[2:7, 6:13])


def test_pixels_without_image_data_have_no_label(tmp_path: Path) -> None:
    write_set(tmp_path)
    alpha = np.full((24, 32), 255, np.uint8)
    alpha[:3] = 0
    save(tmp_path / "images/train/img-0.png", np.dstack([make_image(0), alpha]))
    dataset = read_dataset(tmp_path)
    image, target, valid = read_sample(dataset, dataset.splits["train"][0])
    assert len(image) == 3
    assert not valid[:3].any()
    assert (target[:3] == 255).all()
    assert np.array_equal(target[3:], make_mask()[3:])


@pytest.mark.parametrize("window", [None, Window(col_off=0, row_off=0, width=8, height=8)])
def test_sizes_that_differ_are_refused_with_both_files(tmp_path: Path, window: Window | None) -> None:
    write_set(tmp_path)
    save(tmp_path / "masks/train/img-0.png", make_mask((20, 32)))
    dataset = read_dataset(tmp_path)
    with pytest.raises(DataError, match=r"images/train/img-0.png has 24 x 32 .*masks/train/img-0.png has 20 x 32"):
        read_sample(dataset, dataset.splits["train"][0], window=window)


def test_a_sample_without_mask_is_refused(tmp_path: Path) -> None:
    dataset = read_dataset(write_set(tmp_path))
    with pytest.raises(DataError, match="has no mask"):
        read_labels(dataset, Sample("x", tmp_path / "images/train/img-0.png", None, "x"))


def test_a_truncated_png_mask_is_refused(tmp_path: Path) -> None:
    dataset = read_dataset(write_set(tmp_path))
    path = tmp_path / "masks/train/img-0.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DataError, match="img-0.png"):
        read_labels(dataset, dataset.splits["train"][0])
