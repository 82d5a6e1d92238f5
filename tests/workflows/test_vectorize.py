from __future__ import annotations

import inspect
import json
import logging
import os
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import shapely
import shapely.affinity
from affine import Affine
from PIL import Image

from drawn_roads import mask_from_lines
from overland.errors import DataError, UsageError
from overland.geo.measures import map_to_pixels, pixels_to_map
from overland.legend import legend_from_names
from overland.raster import Grid, create_raster, write_class_map
from overland.raster.features import burn_shapes
from overland.vector import RoadSettings, read_layer
from overland.workflows.vectorize import ClassPolygons, vectorize

GRID = Grid(height=200, width=200, transform=Affine(0.5, 0, 500000, 0, -0.5, 4600000), crs="EPSG:32633")
LAND = legend_from_names(["background", "field", "road"])


def land_mask():
    mask = np.zeros((200, 200), dtype=np.uint8)
    mask[20:120, 20:120] = 1
    mask[mask_from_lines([[(-10, 160), (210, 160)]], width=9)] = 2
    mask[:, 190:] = 255
    return mask


@pytest.fixture
def land(tmp_path):
    write_class_map(tmp_path / "land.tif", land_mask(), GRID, LAND)
    return tmp_path / "land.tif"


def save_plain(path, mask):
    Image.fromarray(mask).save(path)
    return path


def test_polygons_carry_class_name_and_area(land, tmp_path):
    found = vectorize(land, tmp_path / "land.gpkg")
    layer = read_layer(tmp_path / "land.gpkg", "polygons")
    assert layer.crs == "EPSG:32633"
    assert layer.fields["class"].tolist() == [1, 2]
    assert layer.fields["name"].tolist() == ["field", "road"]
    assert layer.fields["area_m2"] == pytest.approx([2500, 9 * 190 / 4], rel=0.01)
    assert layer.geometries[0].bounds == pytest.approx((500010, 4599940, 500060, 4599990), abs=1)
    assert found.crs == "EPSG:32633"
    assert found.units == "metres"
    assert found.polygons == 2
    assert found.classes["field"] == ClassPolygons(1, pytest.approx(2500, rel=0.01))


def test_only_the_classes_named(land, tmp_path):
    found = vectorize(land, tmp_path / "a.gpkg", classes=["road"])
    assert list(found.classes) == ["road"]
    assert read_layer(tmp_path / "a.gpkg").fields["name"].tolist() == ["road"]


def test_the_background_can_be_named(land, tmp_path):
    found = vectorize(land, tmp_path / "a.gpkg", classes=["background", "field"])
    assert set(found.classes) == {"background", "field"}


def test_regions_under_the_minimum_go(land, tmp_path):
    assert vectorize(land, tmp_path / "a.gpkg", min_area_m2=600).classes["road"].count == 0


def test_roads_become_edges_and_nodes(land, tmp_path):
    found = vectorize(land, tmp_path / "roads.gpkg", kind="roads")
    edges, nodes = (read_layer(tmp_path / "roads.gpkg", name) for name in ("edges", "nodes"))
    assert found.road_class == "road"
    assert (found.edges, found.nodes) == (len(edges), len(nodes)) == (1, 2)
    assert edges.fields["name"].tolist() == ["road"]
    assert edges.fields["length_m"] == pytest.approx([95], rel=0.01)
    assert edges.fields["width_m"] == pytest.approx([4.5], abs=0.5)
    assert nodes.fields["degree"].tolist() == [1, 1]
    assert edges.crs == "EPSG:32633"
    assert edges.geometries[0].distance(shapely.Point(500050, 4599920)) < 0.5


def test_geojson_is_in_degrees_and_says_so(land, tmp_path, caplog):
    with caplog.at_level(logging.INFO, "overland"):
        found = vectorize(land, tmp_path / "roads.geojson", kind="roads")
    assert found.crs == "EPSG:4326"
    assert "longitude and latitude" in caplog.text
    west, south, east, north = shapely.total_bounds(read_layer(tmp_path / "roads.geojson").geometries)
    assert (west, south, east, north) == pytest.approx((15, 41.55, 15, 41.55), abs=0.01)


def test_geoparquet_keeps_the_crs(land, tmp_path):
    pytest.importorskip("pyarrow")
    vectorize(land, tmp_path / "a.parquet")
    layer = read_layer(tmp_path / "a.parquet")
    assert layer.crs == "EPSG:32633"
    assert layer.fields["name"].tolist() == ["field", "road"]


def test_without_a_crs_everything_is_pixels(tmp_path, caplog):
    mask = mask_from_lines([[(20, 100), (180, 100)]], width=9).astype(np.uint8)
    path = save_plain(tmp_path / "mask.png", mask)
    with caplog.at_level(logging.INFO, "overland"):
        found = vectorize(path, tmp_path / "a.gpkg", kind="roads")
    assert found.crs is None
    assert found.units == "pixels"
    assert found.road_class == "class 1"
    assert found.length_m == pytest.approx(160, rel=0.01)
    assert caplog.text.count("in pixels") == 1
    assert read_layer(tmp_path / "a.gpkg", "edges").geometries[0].bounds[0] == pytest.approx(20, abs=1)


def test_a_black_and_white_mask_is_two_classes(tmp_path):
    mask = mask_from_lines([[(20, 100), (180, 100)]], width=9).astype(np.uint8) * 255
    found = vectorize(save_plain(tmp_path / "mask.png", mask), tmp_path / "a.gpkg")
    assert {name: values.count for name, values in found.classes.items()} == {"class 1": 1}


def test_many_classes_without_names_have_no_background(tmp_path):
    mask = np.repeat(np.arange(4, dtype=np.uint8), 50)[:, None].repeat(100, axis=1)
    found = vectorize(save_plain(tmp_path / "mask.png", mask), tmp_path / "a.gpkg")
    assert list(found.classes) == ["class 0", "class 1", "class 2", "class 3"]
    assert found.area_m2 == pytest.approx(mask.size)


@pytest.mark.parametrize("kind", ["polygons", "roads"])
def test_an_empty_mask_gives_an_empty_layer_and_a_warning(tmp_path, caplog, kind):
    write_class_map(
        tmp_path / "mask.tif", np.zeros((200, 200), np.uint8), GRID, legend_from_names(["background", "road"])
    )
    vectorize(tmp_path / "mask.tif", tmp_path / "a.gpkg", kind=kind)
    assert len(read_layer(tmp_path / "a.gpkg")) == 0
    assert "no features" in caplog.text


def test_nothing_is_squared_and_scored(tmp_path):
    write_class_map(
        tmp_path / "mask.tif", np.zeros((200, 200), np.uint8), GRID, legend_from_names(["background", "building"])
    )
    save_probabilities(tmp_path / "probabilities.tif", np.zeros((200, 200)), ("building",))
    found = vectorize(
        tmp_path / "mask.tif", tmp_path / "a.gpkg", regularize=True, probabilities=tmp_path / "probabilities.tif"
    )
    assert found.polygons == 0
    assert set(read_layer(tmp_path / "a.gpkg").fields) == {"class", "name", "area_m2", "mean_p"}


def save_probabilities(path, probabilities, descriptions=("road",)):
    with create_raster(
        path, GRID, count=len(descriptions), dtype="float32", nodata=float("nan"), descriptions=descriptions
    ) as writer:
        writer.write(np.broadcast_to(probabilities, (len(descriptions), 200, 200)).astype(np.float32), GRID.window)
    return path


def road_probabilities():
    return mask_from_lines([[(-10, 160), (210, 160)]], width=9) * 0.75


def test_probabilities_are_written_to_the_edges(land, tmp_path):
    probabilities = save_probabilities(tmp_path / "probabilities.tif", road_probabilities())
    vectorize(land, tmp_path / "roads.gpkg", kind="roads", probabilities=probabilities)
    edges = read_layer(tmp_path / "roads.gpkg", "edges")
    assert edges.fields["mean_p"] == pytest.approx([0.75])
    assert edges.fields["min_p"] == pytest.approx([0.75])


def test_of_many_score_bands_that_of_the_class_is_read(land, tmp_path):
    names = ("background", "field", "road")
    with create_raster(tmp_path / "probabilities.tif", GRID, count=3, dtype="float32", descriptions=names) as writer:
        writer.write(np.stack([road_probabilities() * 0, road_probabilities() * 0, road_probabilities()]), GRID.window)
    vectorize(land, tmp_path / "roads.gpkg", kind="roads", probabilities=tmp_path / "probabilities.tif")
    assert read_layer(tmp_path / "roads.gpkg", "edges").fields["mean_p"] == pytest.approx([0.75])


def land_probabilities():
    """Probabilities of background, field and road: of field .5 above row 70 and .9 below, of road rising by column."""
    field = np.where(np.arange(200) < 70, 0.5, 0.9)[:, None].repeat(200, axis=1)
    road = (np.arange(200) / 200)[None].repeat(200, axis=0)
    return np.stack([np.zeros((200, 200)), field, road]).astype(np.float32)


@pytest.mark.parametrize("named", [True, False])
def test_polygons_carry_the_mean_probability_of_their_class(land, tmp_path, named):
    names = LAND.names if named else ()
    with create_raster(tmp_path / "probabilities.tif", GRID, count=3, dtype="float32", descriptions=names) as writer:
        writer.write(land_probabilities(), GRID.window)
    vectorize(land, tmp_path / "land.gpkg", probabilities=tmp_path / "probabilities.tif", simplify_m=0)
    layer = read_layer(tmp_path / "land.gpkg")
    # 50 rows of .5 and 50 of .9; columns 0 to 189 of a ramp.
    assert layer.fields["name"].tolist() == ["field", "road"]
    assert layer.fields["mean_p"] == pytest.approx([0.7, 94.5 / 200])


def test_the_mean_probability_of_two_classes_has_one_band(tmp_path, monkeypatch):
    monkeypatch.setattr("overland.geo.grid._ROW_BLOCK_PIXELS", 200 * 100)
    monkeypatch.setattr("overland.geo.grid._FILE_BLOCK_ROWS", 1)
    mask = np.zeros((200, 200), dtype=np.uint8)
    mask[80:120, 20:60] = mask[180:, 180:] = 1
    probabilities = np.full((200, 200), 0.2)
    probabilities[80:100, 20:60], probabilities[100:120, 20:60], probabilities[180:, 180:] = 0.6, 0.8, np.nan
    probabilities[115:120, 20:60] = np.nan
    write_class_map(tmp_path / "mask.tif", mask, GRID, legend_from_names(["background", "road"]))
    save_probabilities(tmp_path / "probabilities.tif", probabilities)
    vectorize(
        tmp_path / "mask.tif",
        tmp_path / "a.geojson",
        classes=["background", "road"],
        probabilities=tmp_path / "probabilities.tif",
        simplify_m=0,
    )
    layer = read_layer(tmp_path / "a.geojson")
    known = {(name, round(p, 6)) for name, p in zip(layer.fields["name"], layer.fields["mean_p"], strict=True)}
    expected = round((20 * 0.6 + 15 * 0.8) / 35, 6)
    assert {("background", 0.8), ("road", expected)} <= known
    assert len(known) == 3
    assert np.isnan(layer.fields["mean_p"].astype(float)).sum() == 1


def test_squared_polygons_have_right_angles_and_their_mean_probability(tmp_path):
    house = shapely.affinity.rotate(shapely.box(60, 70, 140, 120), 23)
    mask = burn_shapes(np.array([house]), np.array([1]), GRID.window)
    write_class_map(tmp_path / "mask.tif", mask, GRID, legend_from_names(["background", "building"]))
    save_probabilities(tmp_path / "probabilities.tif", mask * 0.75)
    options = {"classes": ["building"], "simplify_m": 0, "probabilities": tmp_path / "probabilities.tif"}
    vectorize(tmp_path / "mask.tif", tmp_path / "a.gpkg", regularize=True, **options)
    layer = read_layer(tmp_path / "a.gpkg")
    corners = shapely.get_coordinates(layer.geometries[0])
    expected = shapely.get_coordinates(pixels_to_map(np.array([house]), GRID))
    assert len(corners) == 5
    assert shapely.MultiPoint(corners).hausdorff_distance(shapely.MultiPoint(expected)) < 0.5
    assert layer.fields["area_m2"] == pytest.approx([1000], rel=0.03)
    assert layer.fields["mean_p"] == pytest.approx([0.75])


def test_right_angles_are_right_on_the_ground(tmp_path):
    grid = Grid(height=200, width=200, transform=Affine(1, 0, 500000, 0, -0.5, 4600000), crs="EPSG:32633")
    house = shapely.affinity.rotate(shapely.box(500060, 4599930, 500130, 4599970), 30)
    mask = burn_shapes(map_to_pixels(np.array([house]), grid), np.array([1]), grid.window)
    write_class_map(tmp_path / "mask.tif", mask, grid, legend_from_names(["background", "building"]))
    vectorize(tmp_path / "mask.tif", tmp_path / "a.gpkg", regularize=True)
    squared = read_layer(tmp_path / "a.gpkg").geometries[0]
    assert len(shapely.get_coordinates(squared)) == 5
    assert squared.hausdorff_distance(house) < 1


def test_probabilities_that_do_not_fit_are_refused(land, tmp_path):
    other = save_probabilities(tmp_path / "other.tif", road_probabilities(), ("water", "forest"))
    logits = save_probabilities(tmp_path / "logits.tif", road_probabilities() * 20)
    small = save_plain(tmp_path / "small.png", np.zeros((50, 50), np.uint8))
    for probabilities, words in [
        (other, "probabilities of road"),
        (logits, "0 to 1"),
        (small, "50 x 50"),
        (land, "probabilities of road"),
    ]:
        with pytest.raises(DataError, match=words):
            vectorize(land, tmp_path / "a.gpkg", kind="roads", probabilities=probabilities)
        with pytest.raises(
            DataError, match=words.replace("probabilities of road", "probabilities of background, field, road")
        ):
            vectorize(land, tmp_path / "a.gpkg", probabilities=probabilities, classes=["road"])
    assert not (tmp_path / "a.gpkg").exists()


def test_probabilities_of_another_place_are_refused(land, tmp_path):
    grid = Grid(height=200, width=200, transform=Affine(0.5, 0, 600000, 0, -0.5, 4600000), crs="EPSG:32633")
    with create_raster(tmp_path / "probabilities.tif", grid, dtype="float32") as writer:
        writer.write(road_probabilities().astype(np.float32), grid.window)
    with pytest.raises(DataError, match="do not lie on one grid"):
        vectorize(land, tmp_path / "a.gpkg", kind="roads", probabilities=tmp_path / "probabilities.tif")


def test_a_road_graph_for_osmnx(land, tmp_path):
    vectorize(land, tmp_path / "roads.graphml", kind="roads")
    graph = nx.read_graphml(tmp_path / "roads.graphml", node_type=int)
    assert (graph.number_of_nodes(), graph.number_of_edges(), graph.graph["crs"]) == (2, 2, "EPSG:32633")


def test_nothing_but_the_output_is_left_in_the_folder(land, tmp_path):
    vectorize(land, tmp_path / "out" / "land.gpkg")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["land.gpkg"]


@pytest.mark.parametrize("kind", ["roads", "polygons"])
def test_the_result_does_not_depend_on_the_row_blocks(land, tmp_path, monkeypatch, kind):
    noise = np.random.default_rng(0).random((200, 200)) / 2 + 0.5
    probabilities = save_probabilities(tmp_path / "probabilities.tif", noise, LAND.names)
    vectorize(land, tmp_path / "whole.geojson", kind=kind, probabilities=probabilities)
    monkeypatch.setattr("overland.geo.grid._ROW_BLOCK_PIXELS", 200 * 16)
    monkeypatch.setattr("overland.geo.grid._FILE_BLOCK_ROWS", 1)
    vectorize(land, tmp_path / "in_blocks.geojson", kind=kind, probabilities=probabilities)
    whole, in_blocks = (json.loads((tmp_path / f"{name}.geojson").read_text()) for name in ("whole", "in_blocks"))
    assert whole["features"] == in_blocks["features"]


def test_the_road_class_must_be_clear(tmp_path):
    mask = np.repeat(np.arange(4, dtype=np.uint8), 50)[:, None].repeat(100, axis=1)
    path = save_plain(tmp_path / "mask.png", mask)
    with pytest.raises(UsageError, match="--class"):
        vectorize(path, tmp_path / "a.gpkg", kind="roads")
    assert vectorize(path, tmp_path / "a.gpkg", kind="roads", classes=["class 2"]).road_class == "class 2"


def test_a_class_that_does_not_exist_is_named(land, tmp_path):
    with pytest.raises(DataError, match="'water'"):
        vectorize(land, tmp_path / "a.gpkg", classes=["water"])
    assert not (tmp_path / "a.gpkg").exists()


@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_what_is_no_class_map_is_refused(tmp_path, dtype):
    with create_raster(tmp_path / "probabilities.tif", GRID, dtype=dtype) as writer:
        writer.write(np.full((200, 200), 300, dtype=dtype), GRID.window)
    with pytest.raises(DataError, match="class map"):
        vectorize(tmp_path / "probabilities.tif", tmp_path / "a.gpkg")


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "points"},
        {"kind": "roads", "classes": ["road", "field"]},
        {"min_area_m2": -1},
        {"max_gap_m": float("nan")},
        {"kind": "roads", "regularize": True},
    ],
)
def test_options_that_make_no_sense_are_refused(land, tmp_path, options):
    with pytest.raises(UsageError):
        vectorize(land, tmp_path / "a.gpkg", **options)


def test_graphml_holds_no_polygons(land, tmp_path):
    with pytest.raises(UsageError, match="--kind roads"):
        vectorize(land, tmp_path / "a.graphml")


def test_the_same_mask_gives_the_same_file(land, tmp_path):
    for name in ("a.geojson", "b.geojson"):
        vectorize(land, tmp_path / name, kind="roads")
    assert (tmp_path / "a.geojson").read_bytes() == (tmp_path / "b.geojson").read_bytes()


@pytest.mark.real
@pytest.mark.parametrize("kind", ["roads", "polygons"])
def test_real_labels_keep_their_place(tmp_path, kind):
    if "OVERLAND_DATA" not in os.environ:
        pytest.skip("OVERLAND_DATA names no folder of real imagery")
    path = Path(os.environ["OVERLAND_DATA"]) / "rasters" / "massachusetts" / "18778720_15_labels.tif"
    found = vectorize(path, tmp_path / "a.gpkg", kind=kind)
    layer = read_layer(tmp_path / "a.gpkg", {"roads": "edges", "polygons": "polygons"}[kind])
    assert layer.crs == found.crs == "EPSG:26986"
    west, south, east, north = shapely.total_bounds(layer.geometries)
    assert 187000 <= west < east <= 188500
    assert 871250 <= south < north <= 872750


def test_the_defaults_of_roads_are_those_of_the_array_level():
    declared = {name: parameter.default for name, parameter in inspect.signature(vectorize).parameters.items()}
    settings = RoadSettings()
    shared = ("min_spur_m", "min_length_m", "max_gap_m", "simplify_m", "low_threshold")
    assert {name: declared[name] for name in shared} == {name: getattr(settings, name) for name in shared}


def test_a_lower_threshold_needs_probabilities(land, tmp_path):
    with pytest.raises(UsageError, match="--probabilities"):
        vectorize(land, tmp_path / "a.gpkg", kind="roads", low_threshold=0.3)


def test_an_input_is_never_the_output(land, tmp_path):
    vectorize(land, tmp_path / "a.gpkg")
    link = tmp_path / "link.gpkg"
    os.link(land, link)
    with pytest.raises(UsageError, match="is an input"):
        vectorize(land, link, overwrite=True)


def test_a_place_without_a_crs_is_kept(tmp_path):
    grid = Grid(height=200, width=200, transform=Affine(0.5, 0, 3_500_000, 0, -0.5, 5_800_000))
    write_class_map(tmp_path / "m.tif", land_mask(), grid, LAND)
    found = vectorize(tmp_path / "m.tif", tmp_path / "a.gpkg")
    assert (found.units, found.crs) == ("map units", None)
    assert found.classes["field"].area_m2 == pytest.approx(2500, rel=0.01)
    assert read_layer(tmp_path / "a.gpkg").geometries[0].bounds[:2] == pytest.approx((3_500_010, 5_799_940), abs=1)


def test_round_huts_keep_their_area(tmp_path):
    rows, cols = np.mgrid[:200, :200] % 20 + 0.5
    mask = (np.hypot(rows - 10.2, cols - 9.7) < 4).astype(np.uint8)
    write_class_map(tmp_path / "m.tif", mask, GRID, legend_from_names(["background", "hut"]))
    found = vectorize(tmp_path / "m.tif", tmp_path / "a.gpkg", min_area_m2=5)
    assert found.classes["hut"].count == 100
    assert found.area_m2 == pytest.approx(mask.sum() / 4, rel=0.05)
