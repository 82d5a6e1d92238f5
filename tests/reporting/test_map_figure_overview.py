import numpy as np
import pytest
import shapely
from affine import Affine

from overland.errors import DataError
from overland.legend import legend_from_names
from overland.raster import Grid, open_scene, write_class_map
from overland.reporting.map_figure import (
    fractions_of_mask,
    lines_to_overview,
    overview_of_mask,
    overview_of_scene,
    overview_step,
)
from scenes import ROAD_LEGEND, utm_grid, write_image


def test_the_longest_side_decides_the_step():
    assert [overview_step(Grid(height=height, width=100), 50) for height in (20, 100, 101, 151)] == [2, 2, 3, 4]


def test_pixels_are_averaged(tmp_path):
    image = np.zeros((3, 6, 8), np.uint8)
    image[:, :3, :4] = 100
    image[:, 0, 0] = 88
    with open_scene(write_image(tmp_path / "a.tif", image)) as scene:
        picture = overview_of_scene(scene, 2)

    assert picture.shape == (3, 4, 3)
    assert picture[0].max(axis=1).tolist() == [97, 100, 0, 0]
    assert picture[1, 0, 0] == 50


def test_a_scene_larger_than_a_window_is_put_together_again(tmp_path, monkeypatch):
    monkeypatch.setattr("overland.reporting.map_figure._WINDOW", 16)
    image = np.random.default_rng(0).integers(0, 255, (3, 50, 70), dtype=np.uint8)
    with open_scene(write_image(tmp_path / "a.tif", image)) as scene:
        picture = overview_of_scene(scene, 5)

    expected = image.reshape(3, 10, 5, 14, 5).mean(axis=(2, 4)).transpose(1, 2, 0)
    assert np.abs(picture - expected).max() <= 1


def test_a_mask_is_transparent_where_there_is_no_class_of_interest(tmp_path):
    mask = np.zeros((4, 4), np.uint8)
    mask[0], mask[3] = 1, 255
    write_class_map(tmp_path / "m.tif", mask, utm_grid(4, 4, 100), ROAD_LEGEND)
    with open_scene(tmp_path / "m.tif") as scene:
        overlay, areas = overview_of_mask(scene, ROAD_LEGEND, 2)

    assert overlay.shape == (2, 2, 4)
    assert overlay[0, 0].tolist() == [*ROAD_LEGEND.colors[1], 128]
    assert overlay[1, 0, 3] == 0
    assert [area.name for area in areas] == ["background", "road"]
    assert [area.fraction for area in areas] == pytest.approx([8 / 12, 4 / 12])
    assert [area.hectares for area in areas] == pytest.approx([8, 4])


def test_areas_in_degrees_are_measured_on_the_ground(tmp_path):
    grid = Grid(height=10, width=10, transform=Affine(0.1, 0, 0, 0, -0.1, 1), crs="EPSG:4326")
    write_class_map(tmp_path / "m.tif", np.ones((10, 10), np.uint8), grid, ROAD_LEGEND)
    with open_scene(tmp_path / "m.tif") as scene:
        _, areas = overview_of_mask(scene, ROAD_LEGEND, 1)

    assert areas[1].hectares == pytest.approx(1.2308778e6, rel=1e-4)


def test_without_a_crs_there_are_fractions_but_no_areas(tmp_path):
    write_class_map(tmp_path / "m.png", np.ones((8, 8), np.uint8), Grid(height=8, width=8), ROAD_LEGEND)
    with open_scene(tmp_path / "m.png") as scene:
        _, areas = overview_of_mask(scene, ROAD_LEGEND, 1)

    assert [(area.fraction, area.hectares) for area in areas] == [(0.0, None), (1.0, None)]


def test_lines_land_on_their_pixels():
    grid = utm_grid(100, 100, 2.0)
    lines = np.array([shapely.LineString([(500_000, 5_200_000), (500_080, 5_199_960)])])

    assert lines_to_overview(lines, "EPSG:32633", grid, 4)[0].tolist() == [[0, 0], [10, 5]]


def test_lines_in_another_crs_are_moved():
    grid = utm_grid(100, 100)
    lines = np.array([shapely.LineString([(15.0, 46.95), (15.001, 46.95)])])
    moved = lines_to_overview(lines, "EPSG:4326", grid, 1)[0]

    assert moved[1][0] - moved[0][0] == pytest.approx(76.1, abs=0.3)


def test_lines_without_a_crs_cannot_lie_on_a_map():
    with pytest.raises(DataError, match="CRS None"):
        lines_to_overview(np.array([shapely.LineString([(0, 0), (1, 1)])]), None, utm_grid(4, 4), 1)


def test_fractions_of_classes_are_those_of_the_overview(tmp_path):
    mask = np.array([[0, 0, 1, 1, 2], [0, 1, 1, 255, 2], [2, 2, 2, 2, 2]], np.uint8)
    legend = legend_from_names(["background", "road", "water"])
    write_class_map(tmp_path / "mask.tif", mask, utm_grid(3, 5), legend)
    with open_scene(tmp_path / "mask.tif") as scene:
        fractions = fractions_of_mask(scene, 2)
    assert sorted(fractions) == [0, 1, 2]
    assert fractions[0].tolist() == [[191, 0, 0], [0, 0, 0]]
    assert fractions[1].tolist() == [[64, 191, 0], [0, 0, 0]]
    # What reaches beyond the map counts as nothing.
    assert fractions[2].tolist() == [[0, 0, 128], [128, 128, 64]]
