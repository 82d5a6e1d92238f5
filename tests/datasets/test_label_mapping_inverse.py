from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from overland.datasets.label_mapping import LabelMapping, mask_from_ids
from overland.datasets.masks import RawMask
from overland.errors import DataError
from overland.geo.grid import Grid

IDS = np.array([[0, 1, 2, 255]], np.uint8)
COLORS = (((0, 255, 255), 0), ((255, 255, 0), 1), ((0, 0, 255), 2), ((0, 0, 0), 255))


def read_again(label_mapping: LabelMapping, pixels: np.ndarray) -> np.ndarray:
    return label_mapping.ids_from_mask(
        RawMask(Path("m"), pixels, None, None, Grid(height=pixels.shape[1], width=pixels.shape[2]), "PNG")
    )


@pytest.mark.parametrize(
    ("label_mapping", "expected"),
    [
        (LabelMapping("ids", 3), [[0], [1], [2], [255]]),
        (LabelMapping("mapping", 3, mapping={7: 0, 8: 1, 11: 2}), [[7], [8], [11], [255]]),
        (LabelMapping("mapping", 3, mapping={-1: 255, 0: 255, 3: 255, 7: 0, 8: 1, 11: 2}), [[7], [8], [11], [0]]),
        (LabelMapping("mapping", 3, mapping={0: 0, 1: 1, 255: 2, 9: 255}), [[0], [1], [255], [9]]),
        (LabelMapping("mapping", 3, mapping={300: 0, 301: 1, 302: 2}), [[300], [301], [302], [255]]),
        (LabelMapping("mapping", 3, mapping={-5: 0, 301: 1, 302: 2}), [[-5], [301], [302], [255]]),
        (LabelMapping("colors", 3, colors=COLORS), [[0, 255, 255], [255, 255, 0], [0, 0, 255], [0, 0, 0]]),
    ],
)
def test_a_mask_that_reads_as_the_same_ids(label_mapping: LabelMapping, expected: list[list[int]]) -> None:
    mask = mask_from_ids(label_mapping, IDS)
    assert mask[:, 0].T.tolist() == expected
    assert np.array_equal(read_again(label_mapping, mask), IDS)


def test_values_that_fit_take_one_byte() -> None:
    assert mask_from_ids(LabelMapping("mapping", 3, mapping={7: 0, 8: 1, -1: 255}), IDS[:, :2]).dtype == np.uint8


def test_two_tones() -> None:
    label_mapping = LabelMapping("threshold", 2, mapping={0: 0, 255: 1})
    assert mask_from_ids(label_mapping, IDS[:, :2]).tolist() == [[[0, 255]]]
    with pytest.raises(DataError, match="no value for them"):
        mask_from_ids(label_mapping, IDS[:, [0, 1, 3]])


def test_a_class_of_several_values_is_refused() -> None:
    with pytest.raises(DataError, match=r"Class 1 is read from several values or colours \(4, 5\)"):
        mask_from_ids(LabelMapping("mapping", 2, mapping={0: 0, 4: 1, 5: 1}), IDS[:, :2])


def test_a_class_that_the_dataset_does_not_have_is_refused() -> None:
    with pytest.raises(DataError, match="has the class 2, and the dataset has 2 classes: 0 to 1"):
        mask_from_ids(LabelMapping("ids", 2), IDS)
