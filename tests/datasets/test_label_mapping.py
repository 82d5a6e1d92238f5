from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from made_sets import save
from overland.datasets.label_mapping import LabelMapping, label_mapping_line
from overland.datasets.masks import RawMask, read_mask
from overland.errors import DataError
from overland.geo.grid import Grid

LAND = (((0, 255, 255), 0), ((255, 255, 0), 1), ((0, 0, 0), 255))


def raw(pixels: object, nodata: int | None = None, dtype: str = "uint8") -> RawMask:
    array = np.asarray(pixels, dtype=dtype)
    array = array[None] if array.ndim == 2 else array
    return RawMask(Path("mask.png"), array, None, nodata, Grid(height=array.shape[1], width=array.shape[2]), "PNG")


def test_ids_stay_and_255_means_no_label() -> None:
    ids = LabelMapping("ids", 3).ids_from_mask(raw([[0, 1, 2, 255]]))
    assert ids.tolist() == [[0, 1, 2, 255]]
    assert ids.dtype == np.uint8


def test_an_id_beyond_the_classes_is_refused_with_the_line_that_ignores_it() -> None:
    with pytest.raises(DataError, match=r"no classes: 7\..*label_mapping: \{7: ignore_label\}"):
        LabelMapping("ids", 3).ids_from_mask(raw([[0, 7]]))


def test_declared_nodata_that_is_no_class_means_no_label() -> None:
    assert LabelMapping("ids", 2).ids_from_mask(raw([[0, 1, 9]], nodata=9)).tolist() == [[0, 1, 255]]


def test_declared_nodata_that_is_a_class_stays_a_class() -> None:
    assert LabelMapping("ids", 2).ids_from_mask(raw([[0, 1]], nodata=0)).tolist() == [[0, 1]]


def test_mapping_of_255_makes_it_a_class() -> None:
    label_mapping = LabelMapping("mapping", 2, mapping={0: 0, 255: 1})
    assert label_mapping.ids_from_mask(raw([[0, 255]])).tolist() == [[0, 1]]


def test_mapping_without_255_leaves_it_unlabelled_and_refuses_other_values() -> None:
    label_mapping = LabelMapping("mapping", 2, mapping={7: 0, 8: 1})
    assert label_mapping.ids_from_mask(raw([[7, 8, 255]])).tolist() == [[0, 1, 255]]
    with pytest.raises(DataError, match="no classes: 3"):
        label_mapping.ids_from_mask(raw([[3, 7]]))


def test_mapping_reads_negative_and_16_bit_values() -> None:
    label_mapping = LabelMapping("mapping", 2, mapping={-1: 255, 300: 0, 301: 1})
    assert label_mapping.ids_from_mask(raw([[-1, 300, 301]], dtype="int16")).tolist() == [[255, 0, 1]]


@pytest.mark.parametrize(("mapping", "expected"), [({0: 0, 255: 1}, [0, 0, 1, 1]), ({0: 1, 255: 0}, [1, 1, 0, 0])])
def test_threshold_is_128(mapping: dict[int, int], expected: list[int]) -> None:
    label_mapping = LabelMapping("threshold", 2, mapping=mapping)
    assert label_mapping.ids_from_mask(raw([[0, 127, 128, 255]])).tolist() == [expected]


def test_pure_colours_are_binarised_channel_by_channel() -> None:
    pixels = np.array([[[20, 140, 0]], [[250, 200, 9]], [[254, 100, 3]]])
    assert LabelMapping("colors", 2, colors=LAND).ids_from_mask(raw(pixels)).tolist() == [[0, 1, 255]]


def test_a_pure_colour_of_no_class_is_refused() -> None:
    with pytest.raises(DataError, match=r"no class has: \[255, 0, 0\]"):
        LabelMapping("colors", 2, colors=LAND).ids_from_mask(raw(np.array([[[255]], [[0]], [[0]]])))


def test_other_colours_are_matched_within_a_tolerance_and_not_beyond() -> None:
    label_mapping = LabelMapping("colors", 2, colors=(((128, 64, 128), 0), ((70, 70, 70), 1)))
    assert label_mapping.ids_from_mask(raw(np.array([[[130, 68]], [[60, 75]], [[128, 70]]]))).tolist() == [[0, 1]]
    with pytest.raises(DataError, match=r"no class has: \[10, 10, 10\]"):
        label_mapping.ids_from_mask(raw(np.full((3, 1, 1), 10)))


def test_grey_saved_as_rgb_reads_as_one_band(tmp_path: Path) -> None:
    grey = np.repeat(np.array([[0, 1], [1, 0]], np.uint8)[:, :, None], 3, axis=2)
    mask = read_mask(save(tmp_path / "m.png", grey))
    assert mask.pixels.shape == (1, 2, 2)
    assert LabelMapping("ids", 2).ids_from_mask(mask).tolist() == [[0, 1], [1, 0]]


def test_a_palette_file_gives_indices_or_its_colours(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1]], np.uint8), mode=None).convert("P")
    image.putdata([0, 1])
    image.putpalette([255, 255, 0, 0, 255, 255])
    image.save(tmp_path / "p.png")
    mask = read_mask(tmp_path / "p.png")
    assert LabelMapping("ids", 2).ids_from_mask(mask).tolist() == [[0, 1]]
    assert LabelMapping("colors", 2, colors=LAND).ids_from_mask(mask).tolist() == [[1, 0]]


def test_colours_among_masks_of_values_are_refused() -> None:
    with pytest.raises(DataError, match="holds colours"):
        LabelMapping("ids", 2).ids_from_mask(raw(np.arange(3).reshape(3, 1, 1)))


def test_fractions_are_refused_and_nan_means_no_label(tmp_path: Path) -> None:
    half = tmp_path / "half.tif"
    Image.fromarray(np.array([[0.5, 1.0]], np.float32)).save(half)
    with pytest.raises(DataError, match="fractions"):
        read_mask(half)
    holes = tmp_path / "holes.tif"
    Image.fromarray(np.array([[np.nan, 1.0, 0.0]], np.float32)).save(holes)
    assert LabelMapping("ids", 2).ids_from_mask(read_mask(holes)).tolist() == [[255, 1, 0]]


def test_the_yaml_line_names_ignored_values() -> None:
    assert label_mapping_line({0: 0, 7: 255}) == "label_mapping: {0: 0, 7: ignore_label}"
