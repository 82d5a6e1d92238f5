from __future__ import annotations

import json

import numpy as np
import pytest
import shapely

from overland.errors import DataError
from overland.vector import Layer, read_layer, read_lines, write_features


def test_multi_part_lines_are_taken_apart(tmp_path):
    both = shapely.MultiLineString([[(0, 0), (1, 1)], [(2, 2), (3, 3)]])
    layer = Layer("roads", "MultiLineString", np.array([both], dtype=object), {}, "EPSG:32633")
    lines, crs = read_lines(write_features(tmp_path / "a.gpkg", [layer]))
    assert [line.wkt for line in lines] == ["LINESTRING (0 0, 1 1)", "LINESTRING (2 2, 3 3)"]
    assert crs == "EPSG:32633"


def test_features_without_geometry_are_left_out(tmp_path):
    path = tmp_path / "a.geojson"
    line = {"type": "LineString", "coordinates": [[0, 0], [1, 1]]}
    features = [{"type": "Feature", "properties": {"a": a}, "geometry": g} for a, g in ((1, None), (2, line))]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    layer = read_layer(path)
    assert len(layer) == 1
    assert layer.fields["a"].tolist() == [2]


def test_points_are_no_lines(tmp_path):
    layer = Layer("nodes", "Point", np.array([shapely.Point(0, 0)], dtype=object))
    with pytest.raises(DataError, match="holds POINT"):
        read_lines(write_features(tmp_path / "a.gpkg", [layer]))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read_layer(tmp_path / "a.gpkg")


def test_a_missing_layer_is_named(tmp_path):
    layer = Layer("nodes", "Point", np.array([shapely.Point(0, 0)], dtype=object))
    with pytest.raises(DataError, match="edges"):
        read_layer(write_features(tmp_path / "a.gpkg", [layer]), "edges")


def test_what_is_no_vector_file_is_refused(tmp_path):
    path = tmp_path / "a.geojson"
    path.write_text("no")
    with pytest.raises(DataError, match="cannot be read"):
        read_layer(path)


def test_parquet_without_geometry_is_refused(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table({"a": [1]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="not GeoParquet"):
        read_layer(tmp_path / "a.parquet")
