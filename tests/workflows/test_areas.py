from __future__ import annotations

import csv

import numpy as np
import pytest
import shapely
from affine import Affine
from PIL import Image

from overland.errors import DataError, UsageError
from overland.geo.measures import areas_m2, pixels_to_map, reprojected
from overland.legend import legend_from_names
from overland.raster import Grid, class_map, create_raster, write_class_map
from overland.vector import Layer, write_features
from overland.workflows.areas import areas
from scenes import utm_grid

LAND = legend_from_names(["field", "forest", "water"])
DEGREES = Grid(height=60, width=80, transform=Affine(0.002, 0, 15, 0, -0.001, 60), crs="EPSG:4326")


def land_map(path, grid):
    ids = np.zeros((60, 80), np.uint8)
    ids[:20] = 1
    ids[40:, 60:] = 255
    write_class_map(path, ids, grid, LAND)
    return path


def write_zones(path, boxes, crs, **fields):
    columns = {name: np.array(values, dtype=object) for name, values in fields.items()}
    write_features(path, [Layer("zones", "Polygon", boxes, columns, crs)])
    return path


def test_areas_of_a_projected_map(tmp_path):
    found = areas(land_map(tmp_path / "m.tif", utm_grid(60, 80, 10)))
    assert [row.name for row in found.classes] == ["field", "forest", "water"]
    assert [row.pixels for row in found.classes] == [2800, 1600, 0]
    assert [row.area_ha for row in found.classes] == [28, 16, 0]
    assert [row.fraction for row in found.classes] == pytest.approx([28 / 44, 16 / 44, 0])


def test_areas_in_degrees_are_those_on_the_ellipsoid(tmp_path, monkeypatch):
    monkeypatch.setattr(class_map, "_BLOCK", 16)
    found = areas(land_map(tmp_path / "m.tif", DEGREES))
    forest = shapely.segmentize(shapely.box(0, 0, 80, 20), 0.5)
    assert found.classes[1].area_m2 == pytest.approx(
        areas_m2(pixels_to_map(np.array([forest]), DEGREES), "EPSG:4326")[0], rel=1e-6
    )


@pytest.mark.parametrize("grid", [utm_grid(60, 80, 10), DEGREES], ids=["metres", "degrees"])
def test_zones_that_tile_the_map_add_up(tmp_path, monkeypatch, grid):
    monkeypatch.setattr(class_map, "_BLOCK", 16)
    mask = land_map(tmp_path / "m.tif", grid)
    boxes = pixels_to_map(np.array([shapely.box(0, 0, 33, 60), shapely.box(33, 0, 80, 60)]), grid)
    found = areas(mask, zones=write_zones(tmp_path / "z.gpkg", boxes, grid.crs))
    assert [row.zone for row in found.zones] == ["1"] * 3 + ["2"] * 3
    for index in range(3):
        parts = [row.area_m2 for row in found.zones if row.id == index]
        assert sum(parts) == pytest.approx(found.classes[index].area_m2)
    assert [row.pixels for row in found.zones][:3] == [33 * 40, 33 * 20, 0]


def test_zones_of_one_name_are_one_and_overlap_counts_once(tmp_path):
    grid = utm_grid(60, 80, 10)
    boxes = pixels_to_map(
        np.array([shapely.box(0, 0, 20, 20), shapely.box(10, 0, 30, 20), shapely.box(5, 0, 9, 9)]), grid
    )
    zones = write_zones(tmp_path / "z.gpkg", boxes, grid.crs, name=["b", "b", "a"])
    rows = areas(land_map(tmp_path / "m.tif", grid), zones=zones, zone_field="name").zones
    assert {row.zone: row.pixels for row in rows if row.name == "forest"} == {"a": 36, "b": 600}


def test_zones_in_another_crs(tmp_path):
    grid = utm_grid(60, 80, 10)
    box = reprojected(pixels_to_map(np.array([shapely.box(-5, -5, 40, 70)]), grid), grid.crs, "EPSG:4326")
    zones = write_zones(tmp_path / "z.geojson", box, "EPSG:4326")
    rows = areas(land_map(tmp_path / "m.tif", grid), zones=zones).zones
    assert [row.pixels for row in rows] == [1600, 800, 0]


def test_a_zone_elsewhere_is_said(tmp_path, caplog):
    grid = utm_grid(60, 80, 10)
    zones = write_zones(tmp_path / "z.gpkg", np.array([shapely.box(0, 0, 9, 9)]), grid.crs)
    rows = areas(land_map(tmp_path / "m.tif", grid), zones=zones).zones
    assert "Zone 1 holds no pixel" in caplog.text
    assert [row.pixels for row in rows] == [0, 0, 0]


def test_the_table(tmp_path):
    grid = utm_grid(60, 80, 10)
    mask = land_map(tmp_path / "m.tif", grid)
    areas(mask, output=tmp_path / "a.csv")
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert [(row["name"], row["area_ha"]) for row in rows] == [("field", "28.0"), ("forest", "16.0"), ("water", "0.0")]
    with pytest.raises(UsageError, match="--overwrite"):
        areas(mask, output=tmp_path / "a.csv")
    with pytest.raises(UsageError, match="suffix"):
        areas(mask, output=tmp_path / "a.txt")


def test_without_a_crs_there_are_pixels_alone(tmp_path):
    Image.fromarray(np.eye(40, dtype=np.uint8)).save(tmp_path / "m.png")
    found = areas(tmp_path / "m.png")
    assert found.units == "pixels"
    assert [(row.name, row.pixels, row.area_m2) for row in found.classes] == [
        ("background", 1560, None),
        ("class 1", 40, None),
    ]


def test_black_and_white_is_ambiguous(tmp_path):
    Image.fromarray(np.eye(40, dtype=np.uint8) * 255).save(tmp_path / "m.png")
    with pytest.raises(DataError, match="0 and 255 only"):
        areas(tmp_path / "m.png")


def test_what_cannot_be_measured_is_refused(tmp_path):
    grid = utm_grid(60, 80)
    mask = land_map(tmp_path / "m.tif", grid)
    lines = Layer("lines", "LineString", [shapely.LineString([(0, 0), (1, 1)])], {}, grid.crs)
    write_features(tmp_path / "l.gpkg", [lines])
    with pytest.raises(DataError, match="polygons"):
        areas(mask, zones=tmp_path / "l.gpkg")
    with pytest.raises(UsageError, match="--zones"):
        areas(mask, zone_field="name")


def test_an_input_is_never_replaced(tmp_path):
    mask = land_map(tmp_path / "m.tif", utm_grid(60, 80))
    (tmp_path / "m.csv").symlink_to(mask)
    with pytest.raises(UsageError, match="is an input"):
        areas(mask, output=tmp_path / "m.csv", overwrite=True)


def test_every_mercator_is_measured_on_the_ellipsoid(tmp_path):
    ids = np.zeros((60, 80), np.uint8)
    ids[:20, :40] = 1
    found = {}
    for crs in ("EPSG:3857", "EPSG:3395", "EPSG:3857+5773"):
        grid = Grid(height=60, width=80, transform=Affine(1, 0, 1_000_000, 0, -1, 6_800_000), crs=crs)
        write_class_map(tmp_path / "m.tif", ids, grid, LAND, overwrite=True)
        found[crs] = areas(tmp_path / "m.tif").classes[1].area_m2
    assert found["EPSG:3395"] == pytest.approx(800 * 0.3775, rel=1e-3)
    assert found["EPSG:3857"] == pytest.approx(found["EPSG:3857+5773"])
    assert found["EPSG:3857"] == pytest.approx(800 * 0.3797, rel=1e-3)


def test_areas_that_change_along_a_row_are_those_of_each_place(tmp_path):
    # 6,000 km across the pole: true at 71 degrees, 3 % too small in the middle.
    grid = Grid(height=60, width=60, transform=Affine(100_000, 0, -3e6, 0, -100_000, 3e6), crs="EPSG:3031")
    write_class_map(tmp_path / "m.tif", np.ones((60, 60), np.uint8), grid, LAND)
    whole = shapely.segmentize(pixels_to_map(np.array([shapely.box(0, 0, 60, 60)]), grid), 50_000)
    assert areas(tmp_path / "m.tif").classes[1].area_m2 == pytest.approx(areas_m2(whole, grid.crs)[0], rel=2e-3)


def test_white_on_nodata_has_one_class(tmp_path):
    mask = np.zeros((40, 40), np.uint8)
    mask[:10, :5] = 255
    with create_raster(tmp_path / "m.tif", utm_grid(40, 40), nodata=0) as writer:
        writer.write(mask, utm_grid(40, 40).window)
    assert [(row.name, row.pixels, row.area_m2) for row in areas(tmp_path / "m.tif").classes] == [
        ("background", 0, 0),
        ("class 1", 50, 50),
    ]


def test_json_has_no_nan(tmp_path):
    grid = utm_grid(60, 80, 10)
    zones = write_zones(tmp_path / "z.gpkg", np.array([shapely.box(0, 0, 9, 9)]), grid.crs)
    assert areas(land_map(tmp_path / "m.tif", grid), zones=zones).to_dict()["zones"][0]["fraction"] is None
