from __future__ import annotations

from pathlib import Path

import pytest

from made_sets import make_mask, save, write_set
from overland.datasets import class_fractions, missing_classes, read_dataset
from overland.datasets.class_balance import weights_from_fractions
from overland.errors import UsageError


def test_shares_are_of_labelled_pixels(tmp_path: Path) -> None:
    write_set(tmp_path)
    mask = make_mask()
    mask[:, 16:] = 255
    for index in range(4):
        save(tmp_path / f"masks/train/img-{index}.png", mask)
    dataset = read_dataset(tmp_path)
    assert class_fractions(dataset, "train") == {"background": 0.5, "road": 0.5}
    assert class_fractions(dataset, "val") == {"background": 0.75, "road": 0.25}


def test_a_class_that_does_not_occur_is_named(tmp_path: Path) -> None:
    dataset = read_dataset(write_set(tmp_path, "names: [background, road, water]"))
    assert missing_classes(dataset, "train") == ["water"]


def test_nothing_is_missing_where_all_occur(tmp_path: Path) -> None:
    assert missing_classes(read_dataset(write_set(tmp_path)), "val") == []


def test_a_split_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no split 'test'; it has train, val"):
        class_fractions(read_dataset(write_set(tmp_path)), "test")


def test_weights_are_inverse_square_roots_with_the_mean_1() -> None:
    # 1/sqrt(.64) = 1.25, 1/sqrt(.04) = 5, mean 3.125: 0.4 and 1.6.
    weights = weights_from_fractions({"field": 0.64, "road": 0.04, "ice": 0.0})
    assert weights == {"field": pytest.approx(0.4), "road": pytest.approx(1.6), "ice": 0.0}
    assert weights_from_fractions({"field": 0.0}) == {"field": 0.0}
