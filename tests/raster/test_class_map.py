from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from PIL import Image

from overland.errors import DataError
from overland.legend import legend_from_names
from overland.raster import Grid, Window, create_raster, write_class_map
from overland.raster.class_map import open_class_map, open_class_probabilities, open_probabilities

GRID = Grid(height=30, width=40, transform=Affine(0.5, 0, 500000, 0, -0.5, 4600000), crs="EPSG:32633")


def ids():
    mask = np.zeros((30, 40), dtype=np.uint8)
    mask[10:20], mask[:, 35:] = 2, 255
    return mask


@pytest.fixture
def class_map(tmp_path):
    write_class_map(tmp_path / "mask.tif", ids(), GRID, legend_from_names(["background", "field", "road"]))
    with open_class_map(tmp_path / "mask.tif") as opened:
        yield opened


def save_scores(path, scores, descriptions=("road",)):
    with create_raster(
        path, GRID, count=len(scores), dtype="float32", nodata=float("nan"), descriptions=descriptions
    ) as file:
        file.write(np.asarray(scores, dtype=np.float32), GRID.window)
    return path


def test_windows_hold_ids_and_where_they_are(class_map):
    values, valid = class_map.read(Window(col_off=30, row_off=5, width=10, height=10))
    assert np.array_equal(values, ids()[5:15, 30:])
    assert np.array_equal(valid, ids()[5:15, 30:] != 255)
    assert class_map.present == (0, 2)
    assert class_map.legend.names == ("background", "field", "road")


def test_black_and_white_is_no_data_and_data(tmp_path):
    Image.fromarray((ids() == 2).astype(np.uint8) * 255).save(tmp_path / "mask.png")
    with open_class_map(tmp_path / "mask.png") as opened:
        values, valid = opened.read(Window(col_off=0, row_off=0, width=40, height=30))
    assert np.array_equal(values, ids() == 2)
    assert valid.all()
    assert opened.present == (0, 1)


def test_scores_are_nan_where_there_are_none(class_map, tmp_path):
    scores = np.full((1, 30, 40), 0.5)
    scores[0, :, :3] = np.nan
    with open_probabilities(save_scores(tmp_path / "scores.tif", scores, ("any",)), class_map, "road") as opened:
        assert np.array_equal(
            opened.read(Window(col_off=0, row_off=2, width=9, height=4)), scores[0, 2:6, :9], equal_nan=True
        )


def test_the_band_of_the_class_is_found_by_its_name(class_map, tmp_path):
    path = save_scores(tmp_path / "scores.tif", np.zeros((3, 30, 40)), ("background", "road", "field"))
    with open_probabilities(path, class_map, "road") as opened:
        assert opened.band == 2


def test_the_bands_of_classes_are_found_by_name_or_by_order(class_map, tmp_path):
    named = save_scores(tmp_path / "named.tif", np.zeros((3, 30, 40)), ("background", "road", "field"))
    plain = save_scores(tmp_path / "plain.tif", np.zeros((3, 30, 40)), ())
    for path, bands in [(named, {1: 3, 2: 2}), (plain, {1: 2, 2: 3})]:
        with open_class_probabilities(path, class_map, [1, 2]) as opened:
            assert {index: scores.band for index, scores in opened.items()} == bands


def test_one_band_is_no_scores_of_three_classes(class_map, tmp_path):
    path = save_scores(tmp_path / "scores.tif", np.zeros((1, 30, 40)), ("road",))
    with open_class_probabilities(path, class_map, [2]) as opened:
        assert list(opened) == [2]
    with pytest.raises(DataError, match="--class"), open_class_probabilities(path, class_map, [1, 2]):
        pass


def test_the_other_of_two_classes_has_the_rest(tmp_path):
    write_class_map(
        tmp_path / "mask.tif", (ids() == 2).astype(np.uint8), GRID, legend_from_names(["background", "road"])
    )
    for name, expected in [("road", {0: 0.75, 1: 0.25}), ("background", {0: 0.25, 1: 0.75})]:
        path = save_scores(tmp_path / f"{name}.tif", np.full((1, 30, 40), 0.25), (name,))
        with (
            open_class_map(tmp_path / "mask.tif") as class_map,
            open_class_probabilities(path, class_map, [0, 1]) as opened,
        ):
            found = {
                index: scores.read(Window(col_off=0, row_off=0, width=5, height=5))[0, 0]
                for index, scores in opened.items()
            }
        assert found == expected


def test_logits_are_no_scores(class_map, tmp_path):
    path = save_scores(tmp_path / "scores.tif", np.full((1, 30, 40), 3.5))
    with open_probabilities(path, class_map, "road") as opened, pytest.raises(DataError, match=r"3\.5 to 3\.5"):
        opened.read(Window(col_off=0, row_off=0, width=5, height=5))
