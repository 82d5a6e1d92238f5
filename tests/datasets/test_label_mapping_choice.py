from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from made_sets import save
from overland.datasets.label_mapping_choice import label_mapping_from_masks
from overland.datasets.masks import read_mask
from overland.errors import DataError
from overland.geo.grid import Grid, Window
from overland.legend import legend_from_names
from overland.raster import create_raster

ROAD = legend_from_names(["background", "road"])
INVERTED = legend_from_names(["road", "background"])
THREE = legend_from_names(["background", "road", "water"])


def mask_of(path: Path, values: list[int]) -> Path:
    return save(path, np.array(values, np.uint8).repeat(50)[None].repeat(4, axis=0))


WEDGE = np.tri(64, dtype=np.uint8)


def noisy_mask(path: Path) -> Path:
    return save(path, WEDGE * 255, quality=60)


def test_values_that_are_ids_are_ids(tmp_path: Path) -> None:
    choice = label_mapping_from_masks([mask_of(tmp_path / "m.png", [0, 1, 255])], ROAD)
    assert choice.label_mapping.kind == "ids"
    assert choice.notes == choice.issues == ()


def test_0_and_255_of_two_classes_are_binarised_and_told(tmp_path: Path) -> None:
    path = mask_of(tmp_path / "m.png", [0, 255])
    choice = label_mapping_from_masks([path], ROAD)
    assert np.unique(choice.label_mapping.ids_from_mask(read_mask(path))).tolist() == [0, 1]
    assert "from 128 on is road" in choice.notes[0]
    assert [(f.code, f.severity) for f in choice.issues] == [("unmapped-mask", "warning")]
    assert "label_mapping: {0: 0, 255: 1}" in choice.issues[0].message


def test_jpeg_noise_is_binarised_exactly_and_told(tmp_path: Path) -> None:
    path = noisy_mask(tmp_path / "m.jpg")
    assert len(np.unique(read_mask(path).pixels)) > 3
    choice = label_mapping_from_masks([path], ROAD)
    assert np.array_equal(choice.label_mapping.ids_from_mask(read_mask(path)), WEDGE)
    assert [f.code for f in choice.issues] == ["mask-noise"]


def test_a_declared_mapping_of_noisy_masks_is_binarised_with_a_warning(tmp_path: Path) -> None:
    path = noisy_mask(tmp_path / "m.jpg")
    choice = label_mapping_from_masks([path], ROAD, label_mapping={0: 1, 255: 0})
    assert np.array_equal(choice.label_mapping.ids_from_mask(read_mask(path)), 1 - WEDGE)
    assert [(f.code, f.severity) for f in choice.issues] == [("mask-noise", "warning")]


def test_a_declared_mapping_that_fits_says_nothing(tmp_path: Path) -> None:
    choice = label_mapping_from_masks([mask_of(tmp_path / "m.png", [0, 255])], ROAD, label_mapping={0: 0, 255: 1})
    assert (choice.label_mapping.kind, choice.notes) == ("mapping", ())


@pytest.mark.parametrize(
    ("legend", "values", "line"),
    [
        (THREE, [0, 127, 255], "label_mapping: {0: 0, 127: 1, 255: 2}"),
        (ROAD, [0, 127, 255], "label_mapping: {0: 0, 127: 1, 255: ignore_label}"),
        (ROAD, [1, 2], "label_mapping: {1: 0, 2: 1}"),
        (ROAD, [0, 100], "label_mapping: {0: 0, 100: 1}"),
        (ROAD, list(range(41)), "PNG or GeoTIFF"),
        (THREE, [0, 255], "label_mapping: {0: 0, 255: 1}"),
        (INVERTED, [0, 255], "lower value is background, add to the dataset YAML: label_mapping: {0: 1, 255: 0}"),
        (ROAD, [255], "label_mapping: {255: 0}"),
        (ROAD, [0, 1, 2, 3], "label_mapping"),
    ],
)
def test_ambiguous_masks_are_refused_with_what_settles_it(
    tmp_path: Path, legend: object, values: list[int], line: str
) -> None:
    with pytest.raises(DataError, match="open which value is which class") as caught:
        label_mapping_from_masks([mask_of(tmp_path / "m.png", values)], legend)
    assert line in str(caught.value)


def test_undeclared_colours_are_refused_with_a_palette_line(tmp_path: Path) -> None:
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[:, :2] = 255, 0, 0
    with pytest.raises(DataError, match=r"palette: \{0: \[0, 0, 0\], 1: \[255, 0, 0\]\}"):
        label_mapping_from_masks([save(tmp_path / "m.png", pixels)], ROAD)


def test_declared_colours_do_not_hinder_masks_of_ids(tmp_path: Path) -> None:
    colors = [((0, 0, 0), 0), ((255, 0, 0), 1)]
    choice = label_mapping_from_masks([mask_of(tmp_path / "m.png", [0, 1])], ROAD, colors=colors)
    assert choice.label_mapping.kind == "ids"


def test_grey_masks_of_declared_black_and_white_are_colours(tmp_path: Path) -> None:
    path = mask_of(tmp_path / "m.png", [0, 255])
    choice = label_mapping_from_masks([path], ROAD, colors=[((0, 0, 0), 0), ((255, 255, 255), 1)])
    assert np.unique(choice.label_mapping.ids_from_mask(read_mask(path))).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("values", "names"),
    [([0, 1, 255], ("background", "foreground")), ([0, 2, 3], ("class 0", "class 1", "class 2", "class 3"))],
)
def test_without_names_the_values_give_them_and_a_note_says_so(
    tmp_path: Path, values: list[int], names: tuple[str, ...]
) -> None:
    choice = label_mapping_from_masks([mask_of(tmp_path / "m.png", values)])
    assert choice.legend.names == names
    assert choice.notes[0].startswith("No class names are declared")


def test_no_mask_at_all_is_refused() -> None:
    with pytest.raises(DataError, match="No image of the dataset has a mask"):
        label_mapping_from_masks([], ROAD)


def test_noise_round_declared_black_and_white_is_binarised_and_told(tmp_path: Path) -> None:
    path = noisy_mask(tmp_path / "m.jpg")
    colors = [((0, 0, 0), 0), ((255, 255, 255), 1)]
    choice = label_mapping_from_masks([path], ROAD, colors=colors)
    assert [(issue.severity, issue.code) for issue in choice.issues] == [("warning", "mask-noise")]
    assert "binarised at 128" in choice.notes[0]
    assert np.array_equal(choice.label_mapping.ids_from_mask(read_mask(path)), WEDGE)
    clean = label_mapping_from_masks([save(tmp_path / "m.png", WEDGE * 255)], ROAD, colors=colors)
    assert clean.notes == clean.issues == ()


@pytest.mark.parametrize("values", [[0, 1, 2, 255], [0, 7, 11, 255], [0, 1, 2, 3, 4]])
def test_small_numbers_are_ids_and_never_two_tones(tmp_path: Path, values: list[int]) -> None:
    path = mask_of(tmp_path / "m.png", values)
    with pytest.raises(DataError, match="open which value is which class"):
        label_mapping_from_masks([path], ROAD)
    choice = label_mapping_from_masks([path])
    assert choice.label_mapping.kind == "ids"
    assert np.array_equal(choice.label_mapping.ids_from_mask(read_mask(path)), read_mask(path).pixels[0])


def test_grey_values_that_do_not_lie_at_the_ends_are_no_two_tones(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="open which value is which class"):
        label_mapping_from_masks([mask_of(tmp_path / "m.png", [50, 200])], ROAD)


def test_noise_on_one_side_alone_is_noise_where_it_is_the_bright_one(tmp_path: Path) -> None:
    path = save(tmp_path / "m.png", np.array([0] * 90 + [255] * 90 + [251, 254], np.uint8)[None])
    assert label_mapping_from_masks([path], ROAD).label_mapping.kind == "threshold"


@pytest.mark.parametrize(
    ("values", "counts", "line"),
    [
        ([-1, 0, 1], [900, 9, 90], "label_mapping: {-1: ignore_label, 0: 0, 1: 1}"),
        ([3, 4, 255], [9, 1, 900], "label_mapping: {3: 0, 4: 1, 255: ignore_label}"),
        ([0, 1, 2], [900, 90, 1], "label_mapping: {0: 0, 1: 1, 2: ...}"),
    ],
)
def test_advice_drops_no_class_because_it_is_rare(
    tmp_path: Path, values: list[int], counts: list[int], line: str
) -> None:
    pixels = np.repeat(np.array(values, np.int16), counts)[None]
    with create_raster(tmp_path / "m.tif", Grid(height=1, width=pixels.shape[1]), dtype="int16") as writer:
        writer.write(pixels, Window(col_off=0, row_off=0, width=pixels.shape[1], height=1))
    with pytest.raises(DataError) as caught:
        label_mapping_from_masks([tmp_path / "m.tif"], ROAD)
    assert line in str(caught.value)


def test_ids_in_red_alone_are_said_to_be_so(tmp_path: Path) -> None:
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[:, 1:, 0] = 1
    with pytest.raises(DataError, match=r"Red alone seems to hold ids.*palette: \{0: \[0, 0, 0\], 1: \[1, 0, 0\]\}"):
        label_mapping_from_masks([save(tmp_path / "m.png", pixels)])
