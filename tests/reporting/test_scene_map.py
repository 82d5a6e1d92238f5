import numpy as np
import pytest
import shapely
from PIL import Image

from overland.reporting.map_figure import road_groups
from overland.reporting.scene_map import write_polygon_picture, write_road_picture

IMAGE = np.full((60, 80, 3), 90, np.uint8)
LINES = [np.array([[5.0, 30], [75, 30]]), np.array([[40.0, 5], [40, 55]])]


def pixels_of(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).reshape(-1, 3)


def has_color(path, color):
    return bool((np.abs(pixels_of(path).astype(int) - color).max(axis=1) <= 12).any())


def rgb(text):
    return [int(text[start : start + 2], 16) for start in (1, 3, 5)]


def test_each_group_has_its_color(tmp_path):
    groups = road_groups([0.95, 0.2], [0, 1])
    write_road_picture(tmp_path / "g.png", IMAGE, LINES, groups, pixel_m=2)
    assert all(has_color(tmp_path / "g.png", rgb(group.color)) for group in groups)


def test_before_and_after_stand_side_by_side(tmp_path):
    write_road_picture(tmp_path / "one.png", IMAGE, LINES)
    write_road_picture(tmp_path / "two.png", IMAGE, LINES, before=LINES[:1])
    with Image.open(tmp_path / "one.png") as one, Image.open(tmp_path / "two.png") as two:
        assert two.width == pytest.approx(2 * one.width, rel=0.01)


def test_polygons_are_filled_and_holes_stay_open(tmp_path):
    ring = shapely.box(0, 0, 60, 60).difference(shapely.box(20, 20, 40, 40))
    write_polygon_picture(tmp_path / "p.png", IMAGE, np.array([ring]), ["water"], {"water": (0, 0, 255)})
    assert has_color(tmp_path / "p.png", np.array([90, 90, 90]) * 0.45 + np.array([0, 0, 255]) * 0.55)
    assert has_color(tmp_path / "p.png", [90, 90, 90])
    fractions = [
        (np.abs(pixels_of(tmp_path / "p.png").astype(int) - c).max(axis=1) <= 12).mean()
        for c in ([40, 40, 181], [90] * 3)
    ]
    # 3,200 of 4,800 pixels are filled, 1,600 are not.
    assert fractions[0] / fractions[1] == pytest.approx(2, rel=0.1)


def test_an_empty_map_is_drawn_too(tmp_path):
    write_road_picture(tmp_path / "g.png", IMAGE, [])
    write_polygon_picture(tmp_path / "p.png", IMAGE, np.array([], dtype=object), [], {"water": (0, 0, 255)})
    assert (tmp_path / "g.png").is_file()
