from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from PIL import Image

from overland.errors import DataError
from overland.legend import legend_from_names
from overland.raster import Grid, Window, create_raster, write_class_map
from overland.workflows.vectorize_input import open_class_map, open_scores

GRID = Grid(30, 40, Affine(0.5, 0, 500000, 0, -0.5, 4600000), "EPSG:32633")


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
    values, valid = class_map.read(Window(5, 30, 10, 10))
    assert np.array_equal(values, ids()[5:15, 30:])
    assert np.array_equal(valid, ids()[5:15, 30:] != 255)
    assert class_map.present == (0, 2)
    assert class_map.legend.names == ("background", "field", "road")


def test_black_and_white_is_no_data_and_data(tmp_path):
    Image.fromarray((ids() == 2).astype(np.uint8) * 255).save(tmp_path / "mask.png")
    with open_class_map(tmp_path / "mask.png") as opened:
        values, valid = opened.read(Window(0, 0, 30, 40))
    assert np.array_equal(values, ids() == 2)
    assert valid.all()
    assert opened.present == (0, 1)


def test_scores_are_nan_where_there_are_none(class_map, tmp_path):
    scores = np.full((1, 30, 40), 0.5)
    scores[0, :, :3] = np.nan
    with open_scores(save_scores(tmp_path / "scores.tif", scores, ("any",)), class_map, "road") as opened:
        assert np.array_equal(opened.read(Window(2, 0, 4, 9)), scores[0, 2:6, :9], equal_nan=True)


def test_the_band_of_the_class_is_found_by_its_name(class_map, tmp_path):
    path = save_scores(tmp_path / "scores.tif", np.zeros((3, 30, 40)), ("background", "road", "field"))
    with open_scores(path, class_map, "road") as opened:
        assert opened.band == 2


def test_logits_are_no_scores(class_map, tmp_path):
    path = save_scores(tmp_path / "scores.tif", np.full((1, 30, 40), 3.5))
    with open_scores(path, class_map, "road") as opened, pytest.raises(DataError, match=r"3\.5 to 3\.5"):
        opened.read(Window(0, 0, 5, 5))
