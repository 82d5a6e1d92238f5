from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from PIL import Image

from noisy_masks import land, renumbered
from overland.cleaning import CleanUp, clean_mask
from overland.errors import DataError, UsageError
from overland.legend import legend_from_names
from overland.raster import Grid, create_raster, open_scene, write_class_map
from overland.workflows import postprocess as module
from overland.workflows.postprocess import postprocess
from scenes import ROAD_LEGEND, utm_grid

LAND = legend_from_names(["urban", "field", "forest", "water", "bare"], [(9, 8, 7)] + [(i, 99, 0) for i in range(4)])
STEPS = {"majority": 3, "open": 3, "remove_objects": 6, "fill_holes": 9, "sieve": 12}


def write(path, mask, legend=LAND, resolution_m=2.0):
    write_class_map(path, mask, utm_grid(*mask.shape, resolution_m), legend)
    return path


def read(path):
    with open_scene(path) as scene:
        return scene.read()[0][0]


def test_the_map_is_cleaned_and_everything_else_kept(tmp_path):
    mask = land(1)
    found = postprocess(write(tmp_path / "a.tif", mask), tmp_path / "b.tif", **STEPS)
    np.testing.assert_array_equal(read(tmp_path / "b.tif"), clean_mask(mask, CleanUp(**STEPS)))
    with open_scene(tmp_path / "b.tif") as scene:
        assert scene.legend == LAND
        assert scene.nodata == 255
        assert scene.grid == utm_grid(90, 70, 2.0)
    assert found.steps == STEPS
    assert found.background is None
    assert json.loads(json.dumps(found.to_dict())) == found.to_dict()


def test_what_changed_is_told_for_each_class(tmp_path):
    mask = land(1)
    found = postprocess(write(tmp_path / "a.tif", mask), tmp_path / "b.tif", sieve=20)
    after = read(tmp_path / "b.tif")
    field = found.classes["field"]
    assert field.pixels_before == (mask == 1).sum()
    assert field.pixels_after == (after == 1).sum()
    assert field.changed_fraction == pytest.approx(((mask == 1) & (after != 1)).sum() / (mask == 1).sum(), abs=1e-6)
    assert field.became["forest"] == pytest.approx(((mask == 1) & (after == 2)).sum() / (mask == 1).sum(), abs=1e-6)
    assert sum(field.became.values()) == pytest.approx(field.changed_fraction, abs=1e-5)
    assert found.changed_fraction == pytest.approx((mask != after).sum() / (mask != 255).sum(), abs=1e-6)
    assert found.regions.after < found.regions.before


def test_row_blocks_give_the_same_bytes(tmp_path, monkeypatch):
    write(tmp_path / "a.tif", land(2, 400, 300))
    postprocess(tmp_path / "a.tif", tmp_path / "one.tif", **STEPS)
    monkeypatch.setattr(module, "_FEWEST_ROWS", 37)
    monkeypatch.setattr(module, "_BLOCK_PIXELS", 1)
    postprocess(tmp_path / "a.tif", tmp_path / "many.tif", **STEPS)
    assert (tmp_path / "one.tif").read_bytes() == (tmp_path / "many.tif").read_bytes()


def test_square_metres_are_pixels_by_the_grid(tmp_path):
    write(tmp_path / "a.tif", land(3))
    in_metres = postprocess(tmp_path / "a.tif", tmp_path / "b.tif", min_area_m2=81)
    assert in_metres.steps == {"sieve": 21}


def test_square_metres_hold_in_degrees_too(tmp_path):
    grid = Grid(height=90, width=70, transform=Affine(1e-5, 0, 15, 0, -1e-5, 60), crs="EPSG:4326")
    write_class_map(tmp_path / "a.tif", land(3), grid, LAND)
    # A degree of latitude at 60 north is 111.4 km, one of longitude 55.8 km.
    pixel_m2 = 1.114 * 0.558
    found = postprocess(tmp_path / "a.tif", tmp_path / "b.tif", min_area_m2=100 * pixel_m2)
    assert found.steps["sieve"] == pytest.approx(100, abs=1)


def test_without_a_crs_square_metres_are_pixels(tmp_path, caplog):
    Image.fromarray(land(3)).save(tmp_path / "a.png")
    with caplog.at_level(logging.INFO, logger="overland"):
        assert postprocess(tmp_path / "a.png", tmp_path / "b.png", min_area_m2=9).steps == {"sieve": 9}
    assert "no CRS" in caplog.text


def test_the_background_of_the_legend_is_no_object(tmp_path):
    mask = np.ones((40, 40), np.uint8)
    mask[10:12, 10:12] = 0
    found = postprocess(write(tmp_path / "a.tif", mask, ROAD_LEGEND), tmp_path / "b.tif", remove_objects=10)
    assert found.background == "background"
    np.testing.assert_array_equal(read(tmp_path / "b.tif"), mask)


def test_a_map_without_names_has_no_background_unless_one_is_named(tmp_path):
    mask = np.ones((40, 40), np.uint8)
    mask[10:12, 10:12] = 0
    Image.fromarray(mask).save(tmp_path / "a.png")
    postprocess(tmp_path / "a.png", tmp_path / "b.png", remove_objects=10)
    assert (read(tmp_path / "b.png") == 1).all()
    postprocess(tmp_path / "a.png", tmp_path / "c.png", remove_objects=10, background="class 0")
    np.testing.assert_array_equal(read(tmp_path / "c.png"), mask)
    assert not (tmp_path / "b.png.aux.xml").exists()


def test_0_and_255_are_two_classes(tmp_path, caplog):
    mask = np.zeros((40, 40), np.uint8)
    mask[10:30, 10:30] = 255
    mask[2, 2] = 255
    Image.fromarray(mask).save(tmp_path / "a.png")
    with caplog.at_level(logging.INFO, logger="overland"):
        found = postprocess(tmp_path / "a.png", tmp_path / "b.png", sieve=5)
    assert "255 is read as class 1" in caplog.text
    assert found.classes["class 1"].pixels_before == 401
    assert (read(tmp_path / "b.png") == 1).sum() == 400


def test_another_nodata_value_becomes_255(tmp_path):
    mask = land(4)
    with create_raster(tmp_path / "a.tif", utm_grid(*mask.shape), dtype="int16", nodata=-1) as writer:
        writer.write(np.where(mask == 255, -1, mask.astype(np.int16)), utm_grid(*mask.shape).window)
    postprocess(tmp_path / "a.tif", tmp_path / "b.tif", median=3)
    np.testing.assert_array_equal(read(tmp_path / "b.tif"), clean_mask(mask, CleanUp(median=3)))


def test_colours_without_names_are_kept(tmp_path):
    write(
        tmp_path / "a.tif", renumbered(land(5), [10, 20, 30, 40, 50]), legend_from_names([f"c{i}" for i in range(51)])
    )
    with open_scene(tmp_path / "a.tif") as scene:
        palette = scene.palette
    (tmp_path / "a.tif.aux.xml").unlink()
    found = postprocess(tmp_path / "a.tif", tmp_path / "b.tif", median=3)
    with open_scene(tmp_path / "b.tif") as scene:
        assert [scene.palette[index] for index in (10, 50)] == [palette[10], palette[50]]
    assert list(found.classes) == [f"class {index}" for index in (10, 20, 30, 40, 50)]


def test_regions_that_nothing_can_take_are_told(tmp_path, caplog):
    mask = np.full((20, 20), 255, np.uint8)
    mask[3, 3] = 1
    found = postprocess(write(tmp_path / "a.tif", mask), tmp_path / "b.tif", sieve=5)
    assert found.regions_too_small == 1
    assert "1 region is still under" in caplog.text


def test_a_map_without_data_stays_so(tmp_path, caplog):
    mask = np.full((20, 20), 255, np.uint8)
    found = postprocess(write(tmp_path / "a.tif", mask), tmp_path / "b.tif", sieve=5)
    assert found.changed_fraction is None
    assert "no pixel with data" in caplog.text


def test_a_size_beside_a_preset_counts(tmp_path):
    write(tmp_path / "a.tif", land(6))
    found = postprocess(tmp_path / "a.tif", tmp_path / "b.tif", preset="morphological", fill_holes=0, median=5)
    assert found.steps == {"median": 5, "remove_objects": 64}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "nothing to do"),
        ({"preset": "best"}, "no preset 'best'"),
        ({"median": 4}, "odd"),
        ({"sieve": 3, "min_area_m2": 3.0}, "give one"),
        ({"min_area_m2": float("nan")}, "not negative"),
    ],
)
def test_options_that_make_no_sense(tmp_path, options, message):
    write(tmp_path / "a.tif", land(7))
    with pytest.raises(UsageError, match=message):
        postprocess(tmp_path / "a.tif", tmp_path / "b.tif", **options)
    assert not (tmp_path / "b.tif").exists()


def test_an_unknown_background_names_those_there_are(tmp_path):
    with pytest.raises(DataError, match="urban, field"):
        postprocess(write(tmp_path / "a.tif", land(7)), tmp_path / "b.tif", sieve=3, background="sea")


def test_the_input_is_never_overwritten(tmp_path):
    path = write(tmp_path / "a.tif", land(7))
    with pytest.raises(UsageError, match="is an input"):
        postprocess(path, path, sieve=3, overwrite=True)


def test_scores_are_no_class_map(tmp_path):
    with create_raster(tmp_path / "a.tif", utm_grid(20, 20), dtype="float32") as writer:
        writer.write(np.zeros((20, 20), np.float32), utm_grid(20, 20).window)
    with pytest.raises(DataError, match="float32"):
        postprocess(tmp_path / "a.tif", tmp_path / "b.tif", sieve=3)


@pytest.mark.real
def test_real_land_cover(tmp_path):
    if "OVERLAND_DATA" not in os.environ:
        pytest.skip("OVERLAND_DATA names no folder of real imagery")
    pictures = sorted(Path(os.environ["OVERLAND_DATA"]).glob("deepglobe-landcover/**/*_mask.png"))
    with Image.open(pictures[0]) as picture:
        bits = np.asarray(picture.convert("RGB"))[:1200, :1200] > 127
    mask = (bits @ np.array([4, 2, 1])).astype(np.uint8)
    noisy = mask.copy()
    rng = np.random.default_rng(0)
    wrong = rng.random(mask.shape) < 0.05
    noisy[wrong] = rng.choice(np.unique(mask), int(wrong.sum()))
    legend = legend_from_names([f"land {index}" for index in range(8)])
    write(tmp_path / "a.tif", noisy, legend, 0.5)
    postprocess(tmp_path / "a.tif", tmp_path / "b.tif", majority=3, min_area_m2=16)
    cleaned = read(tmp_path / "b.tif")
    assert (noisy == mask).mean() < 0.98
    assert (cleaned == mask).mean() > 0.99
