from __future__ import annotations

import numpy as np
import pytest
import shapely

from overland.errors import ResourceError
from overland.raster import Window, features
from overland.raster.features import shapes_from_mask, sieve_mask, stored_mask


def test_a_small_region_takes_the_id_of_its_neighbour():
    mask = np.zeros((20, 20), dtype=np.uint8)
    mask[5:7, 5:7] = 3
    mask[10:18, 10:18] = 5
    sieved = sieve_mask(mask, 5)
    assert np.unique(sieved).tolist() == [0, 5]
    assert (sieved == 5).sum() == 64


def test_nothing_is_sieved_below_one_pixel():
    mask = np.eye(5, dtype=np.uint8)
    assert np.array_equal(sieve_mask(mask, 1), mask)


def test_a_size_beyond_the_mask_is_no_error():
    mask = np.ones((6, 6), dtype=np.uint8)
    assert np.array_equal(sieve_mask(mask, 1000), mask)
    assert np.array_equal(sieve_mask(mask[:1, :1], 1000), mask[:1, :1])


def test_pixels_without_data_neither_change_nor_swallow():
    mask = np.full((10, 10), 255, dtype=np.uint8)
    mask[4:6, 4:6] = 1
    sieved = sieve_mask(mask, 20, valid=mask != 255)
    assert np.array_equal(sieved, mask)


def test_a_diagonal_line_is_one_region_of_8_neighbours():
    line = np.eye(12, dtype=np.uint8)
    assert sieve_mask(line, 10, connectivity=8).sum() == 12
    assert sieve_mask(line, 10, connectivity=4).sum() == 0


def test_shapes_follow_the_pixel_edges_with_holes():
    mask = np.ones((6, 8), dtype=np.uint8)
    mask[2:4, 3:5] = 2
    polygons, ids = shapes_from_mask(mask)
    areas = dict(zip(ids.tolist(), shapely.area(polygons), strict=True))
    assert areas == {1: 44, 2: 4}
    assert polygons[ids.tolist().index(2)].bounds == (3, 2, 5, 4)
    assert len(polygons[ids.tolist().index(1)].interiors) == 1


def test_pixels_without_data_have_no_shape():
    mask = np.zeros((4, 4), dtype=np.uint8)
    valid = np.zeros((4, 4), dtype=bool)
    assert len(shapes_from_mask(mask, valid=valid)[0]) == 0
    valid[:, :2] = True
    assert shapely.area(shapes_from_mask(mask, valid=valid)[0]).tolist() == [8]


@pytest.mark.parametrize("rows", [60, 17])
def test_a_stored_mask_is_sieved_and_traced_like_one_in_memory(tmp_path, rows):
    rng = np.random.default_rng(0)
    mask, valid = rng.integers(0, 3, (60, 70), dtype=np.uint8), rng.random((60, 70)) < 0.9
    bands = [Window(col_off=0, row_off=start, width=70, height=min(rows, 60 - start)) for start in range(0, 60, rows)]
    parts = ((band, mask[band.slices], valid[band.slices]) for band in bands)
    expected = sieve_mask(mask, 6, valid=valid)
    with stored_mask(tmp_path, 60, 70, parts) as (ids, where):
        sieved = sieve_mask(ids, 6, valid=where)
        assert np.array_equal(sieved, expected)
        assert np.array_equal(ids, mask)
        polygons, values = shapes_from_mask(sieved, valid=where)
    expected_polygons, expected_values = shapes_from_mask(expected, valid=valid)
    assert shapely.equals_exact(polygons, expected_polygons, 0).all()
    assert np.array_equal(values, expected_values)


def test_a_mask_that_a_full_disk_cut_off_is_noticed(tmp_path, monkeypatch):
    valid = np.random.default_rng(0).random((64, 64)) < 0.5
    window = Window(col_off=0, row_off=0, width=64, height=64)
    real = features.open_or_create

    def cut(path):
        path.write_bytes(path.read_bytes()[:-200])
        return real(path)

    monkeypatch.setattr(features, "open_or_create", cut)
    with (
        pytest.raises(ResourceError, match="disk is full"),
        features.stored_mask(tmp_path, 64, 64, [(window, valid.astype(np.uint8), valid)]),
    ):
        pass
