from __future__ import annotations

import errno
import json
import os
import shutil

import numpy as np
import pyogrio
import pytest
import shapely

from overland.errors import DataError, MissingExtraError, ResourceError, UsageError
from overland.geo.measures import reprojected
from overland.vector import Layer, read_layer, write_features

LINES = np.array([shapely.LineString([(500000, 4600000), (500100, 4600000), (500100, 4600050)])] * 2, dtype=object)


def edges(crs="EPSG:32633"):
    fields = {
        "u": np.array([0, 1]),
        "name": np.array(["road", "Straße"], dtype=object),
        "width_m": np.array([7.5, np.nan]),
    }
    return Layer("edges", "LineString", LINES, fields, crs)


def nodes(crs="EPSG:32633"):
    points = np.array([shapely.Point(500000, 4600000)], dtype=object)
    return Layer("nodes", "Point", points, {"border": np.array([True])}, crs)


@pytest.mark.parametrize("suffix", [".gpkg", ".parquet"])
@pytest.mark.parametrize("crs", ["EPSG:32633", None])
def test_what_is_written_reads_back(tmp_path, suffix, crs):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    layer = read_layer(write_features(tmp_path / f"a{suffix}", [edges(crs)]))
    assert layer.crs == crs
    assert layer.geometry_type == "LineString"
    assert shapely.equals_exact(layer.geometries, LINES, 0).all()
    assert list(layer.fields) == ["u", "name", "width_m"]
    assert layer.fields["name"].tolist() == ["road", "Straße"]
    np.testing.assert_array_equal(layer.fields["width_m"], [7.5, np.nan])


def test_a_geopackage_holds_every_layer(tmp_path):
    path = write_features(tmp_path / "a.gpkg", [edges(), nodes()])
    assert pyogrio.list_layers(path)[:, 0].tolist() == ["edges", "nodes"]
    assert len(read_layer(path, "nodes")) == 1
    assert read_layer(path, "nodes").fields["border"].tolist() == [True]


def test_geojson_is_longitude_and_latitude(tmp_path):
    path = write_features(tmp_path / "a.geojson", [edges()])
    collection = json.loads(path.read_text())
    assert "crs" not in collection
    lon, lat = collection["features"][0]["geometry"]["coordinates"][0]
    assert (lon, lat) == pytest.approx((15, 41.55), abs=0.01)
    assert collection["features"][1]["properties"] == {"u": 1, "name": "Straße", "width_m": None}


def test_geojson_without_a_crs_keeps_pixels(tmp_path):
    path = write_features(tmp_path / "a.geojson", [edges(None)])
    assert json.loads(path.read_text())["features"][0]["geometry"]["coordinates"][0] == [500000, 4600000]


def test_geojson_rings_turn_as_the_standard_says(tmp_path):
    clockwise = shapely.Polygon([(500000, 0), (500000, 100), (500100, 100), (500100, 0)])
    layer = Layer("polygons", "Polygon", np.array([clockwise], dtype=object), {}, "EPSG:32633")
    [feature] = json.loads(write_features(tmp_path / "a.geojson", [layer]).read_text())["features"]
    assert shapely.LinearRing(feature["geometry"]["coordinates"][0]).is_ccw


def test_geoparquet_metadata_is_complete(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    path = write_features(tmp_path / "a.parquet", [edges()])
    geo = json.loads(parquet.read_schema(path).metadata[b"geo"])
    column = geo["columns"][geo["primary_column"]]
    assert geo["version"] == "1.1.0"
    assert column["encoding"] == "WKB"
    assert column["geometry_types"] == ["LineString"]
    assert column["crs"]["id"] == {"authority": "EPSG", "code": 32633}
    assert column["bbox"] == [500000, 4600000, 500100, 4600050]


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".parquet"])
def test_an_empty_layer_is_a_file(tmp_path, suffix):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    none = np.array([], dtype=object)
    layer = Layer("edges", "LineString", none, {"u": np.array([], dtype=np.int64)}, "EPSG:32633")
    assert len(read_layer(write_features(tmp_path / f"a{suffix}", [layer]))) == 0


def test_an_existing_file_is_replaced_only_when_asked(tmp_path):
    path = write_features(tmp_path / "a.gpkg", [edges(), nodes()])
    with pytest.raises(UsageError, match="overwrite"):
        write_features(path, [nodes()])
    write_features(path, [nodes()], overwrite=True)
    assert pyogrio.list_layers(path)[:, 0].tolist() == ["nodes"]


def test_an_unknown_suffix_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"\.gpkg"):
        write_features(tmp_path / "a.shp", [edges()])


def test_nothing_is_left_behind(tmp_path):
    write_features(tmp_path / "a.gpkg", [edges(), nodes()])
    assert [path.name for path in tmp_path.iterdir()] == ["a.gpkg"]


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing(tmp_path):
    path = write_features(tmp_path / "a.gpkg", [edges()])
    before = path.read_bytes()
    with pytest.raises(DataError, match="cannot be written"):
        write_features(path, [edges(), nodes("EPSG:999999")], overwrite=True)
    assert path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.gpkg"]


def test_a_full_disk_is_named(tmp_path, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResourceError, match="disk is full"):
        write_features(tmp_path / "a.gpkg", [edges()])
    assert list(tmp_path.iterdir()) == []


def test_geoparquet_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"overland\[parquet\]"):
        write_features(tmp_path / "a.parquet", [edges()])


def test_gdal_on_a_full_disk_is_named(tmp_path, monkeypatch):
    def full(*args, **options):
        raise pyogrio.errors.DataSourceError("disk I/O error")

    monkeypatch.setattr("pyogrio.raw.write", full)
    monkeypatch.setattr("shutil.disk_usage", lambda path: shutil._ntuple_diskusage(1, 1, 0))
    with pytest.raises(ResourceError, match="disk is full"):
        write_features(tmp_path / "a.gpkg", [edges()])
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_gdal_would_cut_is_kept(tmp_path):
    path = write_features(tmp_path / "north;south.gpkg", [edges(), nodes()])
    assert [found.name for found in tmp_path.iterdir()] == ["north;south.gpkg"]
    assert len(read_layer(path, "nodes")) == 1


def test_leftovers_of_another_run_are_not_read(tmp_path):
    (tmp_path / "a.part.gpkg").write_bytes(b"a run that was killed")
    path = write_features(tmp_path / "a.gpkg", [edges()])
    assert pyogrio.list_layers(path)[:, 0].tolist() == ["edges"]


def test_geojson_keeps_pixels_of_a_millimetre(tmp_path):
    small = shapely.box(500000, 4600000, 500000.04, 4600000.03)
    layer = Layer("plots", "Polygon", np.array([small], dtype=object), {}, "EPSG:32633")
    write_features(tmp_path / "a.geojson", [layer], pixel_size=0.001)
    [again] = reprojected(read_layer(tmp_path / "a.geojson").geometries, "EPSG:4326", "EPSG:32633")
    assert again.area == pytest.approx(small.area, rel=0.01)


def test_geojson_in_units_of_its_own_keeps_small_ones(tmp_path):
    layer = Layer("plots", "Polygon", np.array([shapely.box(0, 0, 4e-6, 3e-6)], dtype=object))
    write_features(tmp_path / "a.geojson", [layer], pixel_size=1e-7)
    assert read_layer(tmp_path / "a.geojson").geometries[0].area == pytest.approx(12e-12, rel=0.01)


def test_a_local_crs_has_no_geojson(tmp_path):
    local = 'LOCAL_CS["site",UNIT["metre",1],AXIS["x",EAST],AXIS["y",NORTH]]'
    layer = Layer("plots", "Polygon", np.array([shapely.box(0, 0, 4, 3)], dtype=object), {}, local)
    with pytest.raises(DataError, match=r"local CRS .*\.gpkg"):
        write_features(tmp_path / "a.geojson", [layer])
    assert list(tmp_path.iterdir()) == []
