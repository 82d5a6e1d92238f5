from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
import rasterio.shutil
import shapely
from affine import Affine

from drawn_roads import mask_from_lines
from overland.errors import DataError, UsageError
from overland.geo.measures import lengths_m, reprojected
from overland.raster import Grid, open_scene, write_class_map
from overland.vector import Layer, read_lines, write_features
from overland.workflows import rasterize as module
from overland.workflows.rasterize import rasterize
from overland.workflows.vectorize import vectorize
from scenes import ROAD_LEGEND, utm_grid, write_image

LEFT, TOP = 500_000, 5_200_000


@pytest.fixture
def like(tmp_path):
    return write_image(tmp_path / "like.tif", np.full((1, 100, 120), 90, np.uint8), utm_grid(100, 120))


def on_grid(geometry):
    """A geometry in pixels of the grid, x = column and y = row, moved to the CRS."""
    return shapely.transform(geometry, lambda xy: xy * (1, -1) + (LEFT, TOP))


def write_layer(path, geometries, crs="EPSG:32633", **fields):
    kind = "Polygon" if all(g.geom_type == "Polygon" for g in geometries) else "Unknown"
    columns = {
        name: np.array(values, dtype=object if isinstance(values[0], str) else None) for name, values in fields.items()
    }
    write_features(path, [Layer("layer", kind, np.array(geometries, dtype=object), columns, crs)])
    return path


def mask_of(path):
    with open_scene(path) as scene:
        return scene.read()[0][0], scene.legend


def test_a_line_is_as_wide_as_it_is_said_to_be(tmp_path, like):
    roads = write_layer(tmp_path / "r.gpkg", [on_grid(shapely.LineString([(-20, 50), (140, 50)]))])
    found = rasterize(roads, like, tmp_path / "m.tif", width_m=6, classes=["road"])
    mask, legend = mask_of(tmp_path / "m.tif")
    assert (mask[47:53] == 1).all()
    assert mask.sum() == found.classes["road"].pixels == 6 * 120
    assert legend.names == ("background", "road")


def test_widths_of_features_with_one_for_those_without(tmp_path, like):
    lines = [on_grid(shapely.LineString([(-20, y), (140, y)])) for y in (20, 50, 80)]
    roads = write_layer(tmp_path / "r.gpkg", lines, width=["4", "10.0", "narrow"])
    rasterize(roads, like, tmp_path / "m.tif", width_field="width", width_m=2)
    mask, _ = mask_of(tmp_path / "m.tif")
    assert [int(mask[rows, 60].sum()) for rows in (slice(0, 35), slice(35, 65), slice(65, 100))] == [4, 10, 2]
    with pytest.raises(DataError, match="1 of 3 features"):
        rasterize(roads, like, tmp_path / "n.tif", width_field="width")
    assert not (tmp_path / "n.tif").exists()


def test_polygons_by_attribute_and_the_higher_id_wins(tmp_path, like):
    boxes = [
        on_grid(shapely.box(10, 10, 50, 50)),
        on_grid(shapely.box(30, 30, 90, 90)),
        on_grid(shapely.box(0, 0, 5, 5)),
    ]
    land = write_layer(tmp_path / "l.gpkg", boxes, use=["water", "forest", "moor"])
    found = rasterize(land, like, tmp_path / "m.tif", field="use", classes=["forest", "water"])
    mask, legend = mask_of(tmp_path / "m.tif")
    assert legend.names == ("background", "forest", "water")
    assert (mask[10:50, 10:50] == 2).all()
    assert (mask == 1).sum() == 60 * 60 - 20 * 20
    assert found.left_out == 1
    assert mask[2, 2] == 0


def test_holes_stay_open(tmp_path, like):
    ring = shapely.box(10, 10, 50, 50).difference(shapely.box(20, 20, 40, 40))
    rasterize(write_layer(tmp_path / "l.gpkg", [on_grid(ring)]), like, tmp_path / "m.tif")
    assert mask_of(tmp_path / "m.tif")[0].sum() == 1600 - 400


def test_pixels_without_data_have_no_label(tmp_path):
    image = np.full((1, 40, 40), 90, np.uint8)
    image[:, :, 30:] = 0
    grid = utm_grid(40, 40)
    write_class_map(tmp_path / "like.tif", np.where(image[0] > 0, 1, 255).astype(np.uint8), grid, ROAD_LEGEND)
    land = write_layer(tmp_path / "l.gpkg", [on_grid(shapely.box(0, 0, 40, 40))])
    found = rasterize(land, tmp_path / "like.tif", tmp_path / "m.tif")
    assert found.nodata_pixels == 400
    assert (mask_of(tmp_path / "m.tif")[0][:, 30:] == 255).all()
    rasterize(land, tmp_path / "like.tif", tmp_path / "n.tif", nodata=False)
    assert (mask_of(tmp_path / "n.tif")[0] == 1).all()


@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:4326"])
def test_windows_do_not_show(tmp_path, monkeypatch, crs):
    rng = np.random.default_rng(0)
    step = 1.0 if crs == "EPSG:32633" else 1e-5
    grid = Grid(height=90, width=110, transform=Affine(step, 0, 15, 0, -step, 47), crs=crs)
    like = write_image(tmp_path / "like.tif", np.full((1, 90, 110), 90, np.uint8), grid)
    lines = [shapely.LineString(rng.uniform(-20, 130, (3, 2)) * (step, -step) + (15, 47)) for _ in range(12)]
    roads = write_layer(tmp_path / "r.gpkg", lines, crs=crs, width_m=rng.uniform(1, 9, 12))
    rasterize(roads, like, tmp_path / "whole.tif", width_field="width_m")
    monkeypatch.setattr(module, "_WINDOW", 32)
    rasterize(roads, like, tmp_path / "parts.tif", width_field="width_m")
    assert np.array_equal(mask_of(tmp_path / "whole.tif")[0], mask_of(tmp_path / "parts.tif")[0])


def test_in_degrees_a_width_is_in_metres_too(tmp_path):
    # At 60° north a degree of longitude is half as long as one of latitude.
    grid = Grid(height=200, width=200, transform=Affine(2e-5, 0, 15, 0, -1e-5, 60), crs="EPSG:4326")
    like = write_image(tmp_path / "like.tif", np.full((1, 200, 200), 9, np.uint8), grid)
    across = shapely.LineString([(14.9, 59.9995), (15.1, 59.9995)])
    down = shapely.LineString([(15.001, 59), (15.001, 61)])
    roads = write_layer(tmp_path / "r.geojson", [across, down], crs="EPSG:4326")
    rasterize(roads, like, tmp_path / "m.tif", width_m=20)
    mask, _ = mask_of(tmp_path / "m.tif")
    assert mask[:, 5].sum() == pytest.approx(20 / 1.114, abs=1)
    assert mask[150].sum() == pytest.approx(20 / 1.116, abs=1)


def test_vectors_in_another_crs_are_moved(tmp_path, like):
    box = on_grid(shapely.box(20, 30, 60, 70))
    moved = reprojected(np.array([box]), "EPSG:32633", "EPSG:3857")
    rasterize(write_layer(tmp_path / "l.gpkg", moved, crs="EPSG:3857"), like, tmp_path / "m.tif")
    assert mask_of(tmp_path / "m.tif")[0].sum() == pytest.approx(1600, abs=45)


def test_without_a_crs_vectors_are_pixels(tmp_path, monkeypatch):
    like = write_image(tmp_path / "like.png", np.full((3, 80, 80), 9, np.uint8))
    monkeypatch.setattr(module, "_WINDOW", 32)
    land = write_layer(tmp_path / "l.gpkg", [shapely.box(40, 50, 60, 75)], crs=None)
    rasterize(land, like, tmp_path / "m.tif")
    assert (mask_of(tmp_path / "m.tif")[0][50:75, 40:60] == 1).all()
    with pytest.raises(DataError, match="both or none"):
        rasterize(write_layer(tmp_path / "k.gpkg", [shapely.box(0, 0, 1, 1)]), like, tmp_path / "n.tif")


def test_roads_come_back_from_their_graph(tmp_path):
    lines = [[(-10, 60), (210, 60)], [(80, -10), (80, 210)], [(20, 60), (60, 210)], [(80, 150), (210, 170)]]
    truth = mask_from_lines(lines, width=9)
    write_class_map(tmp_path / "truth.tif", truth.astype(np.uint8), utm_grid(200, 200), ROAD_LEGEND)
    vectorize(tmp_path / "truth.tif", tmp_path / "roads.gpkg", kind="roads")
    rasterize(tmp_path / "roads.gpkg", tmp_path / "truth.tif", tmp_path / "m.tif", width_field="width_m", layer="edges")
    again = mask_of(tmp_path / "m.tif")[0] == 1
    assert (truth & again).sum() / (truth | again).sum() > 0.95


def test_vectors_elsewhere_give_an_empty_mask_and_a_warning(tmp_path, like, caplog):
    land = write_layer(tmp_path / "l.gpkg", [shapely.box(0, 0, 10, 10)])
    rasterize(land, like, tmp_path / "m.tif")
    assert "nothing was burned" in caplog.text
    assert not mask_of(tmp_path / "m.tif")[0].any()


def test_a_width_of_nothing_is_refused(tmp_path, like):
    with pytest.raises(UsageError, match="more than 0"):
        rasterize(tmp_path / "r.gpkg", like, tmp_path / "m.tif", width_m=0)


@pytest.mark.parametrize("width_m", [0, -1, float("inf"), float("nan"), 1e9])
def test_widths_that_make_no_sense_are_refused(tmp_path, like, width_m):
    with pytest.raises(UsageError, match="more than 0"):
        rasterize(tmp_path / "r.gpkg", like, tmp_path / "m.tif", width_m=width_m)


def test_a_field_of_widths_without_sense_is_named(tmp_path, like, caplog):
    lines = [on_grid(shapely.LineString([(-20, y), (140, y)])) for y in (20, 50, 80)]
    roads = write_layer(tmp_path / "r.gpkg", lines, name=["Main", "High", "Low"], wide=[1e300, 4, 6])
    with pytest.raises(DataError, match="The field name holds no numbers, but High, Low, Main"):
        rasterize(roads, like, tmp_path / "m.tif", width_field="name")
    with pytest.raises(DataError, match=r"The field wide holds widths up to 1e\+300 m \(feature 1\)"):
        rasterize(roads, like, tmp_path / "m.tif", width_field="wide")
    rasterize(roads, like, tmp_path / "m.tif", width_field="name", width_m=4)
    assert "3 of 3 values of the field name are no numbers" in caplog.text


def test_an_input_is_never_the_output(tmp_path, like):
    roads = write_layer(tmp_path / "r.gpkg", [on_grid(shapely.LineString([(-20, 50), (140, 50)]))])
    with pytest.raises(UsageError, match="is an input"):
        rasterize(roads, like, like, width_m=4, overwrite=True)
    with open_scene(like) as scene:
        assert scene.read()[0].max() == 90


@pytest.mark.parametrize("west", [200, -160, 560])
def test_a_raster_may_count_longitudes_from_anywhere(tmp_path, west):
    grid = Grid(height=30, width=100, transform=Affine(0.001, 0, west, 0, -0.001, 20), crs="EPSG:4326")
    like = write_image(tmp_path / "like.tif", np.full((1, 30, 100), 9, np.uint8), grid)
    land = write_layer(tmp_path / "l.gpkg", [shapely.box(-159.99, 19.98, -159.95, 20)], crs="EPSG:4326")
    assert rasterize(land, like, tmp_path / "m.tif").classes["l"].pixels == 40 * 20


@pytest.mark.real
def test_spacenet_roads_cover_their_length_times_their_width(tmp_path):
    if "OVERLAND_DATA" not in os.environ:
        pytest.skip("OVERLAND_DATA names no folder of real imagery")
    folder = Path(os.environ["OVERLAND_DATA"]) / "spacenet-graphs"
    path = folder / "AOI_2_Vegas_Train_spacenetroads_AOI_2_Vegas_img995.geojson"
    lines, crs = read_lines(path)
    west, south, east, north = shapely.total_bounds(lines)
    size_m = 0.5
    step = size_m / 111_320
    width, height = (math.ceil(side / step) + 40 for side in (east - west, north - south))
    transform = Affine(step, 0, west - 20 * step, 0, -step, north + 20 * step)
    grid = Grid(height=height, width=width, transform=transform, crs="EPSG:4326")
    like = write_image(tmp_path / "like.tif", np.full((1, height, width), 9, np.uint8), grid)
    found = rasterize(path, like, tmp_path / "m.tif", width_m=6, classes=["road"])
    pixel_m2 = size_m**2 * math.cos(math.radians(north))
    covered = found.classes["road"].pixels * pixel_m2
    # Junctions are covered twice, ends stick out: the product is met to some per cent.
    assert covered == pytest.approx(lengths_m(lines, crs).sum() * 6, rel=0.08)


def test_a_file_behind_the_raster_is_never_overwritten(tmp_path):
    grid = utm_grid(20, 30)
    scene = write_image(tmp_path / "s.tif", np.ones((3, 20, 30), np.uint8), grid)
    rasterio.shutil.copy(scene, tmp_path / "s.vrt", driver="VRT")
    box = np.array([shapely.box(*grid.bounds)], dtype=object)
    write_features(tmp_path / "a.gpkg", [Layer("a", "Polygon", box, {}, grid.crs)])
    before = scene.read_bytes()
    for like in ("s.tif", "s.vrt"):
        with pytest.raises(UsageError, match="is an input"):
            rasterize(tmp_path / "a.gpkg", tmp_path / like, scene, overwrite=True)
    assert scene.read_bytes() == before
