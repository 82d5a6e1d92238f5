from __future__ import annotations

import contextlib
import json
import os
import zipfile

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


def collection(path, *geometries, crs=None):
    features = [{"type": "Feature", "properties": {"a": n}, "geometry": g} for n, g in enumerate(geometries)]
    members = {"type": "FeatureCollection", "features": features}
    path.write_text(json.dumps(members | ({"crs": {"type": "name", "properties": {"name": crs}}} if crs else {})))
    return path


def line(*points):
    return {"type": "LineString", "coordinates": points}


def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "roads.geojson")
    with pytest.raises(DataError, match="a pipe or a device"):
        read_layer(tmp_path / "roads.geojson")


def test_a_line_of_one_point_is_left_out_with_a_warning(tmp_path, caplog):
    layer = read_layer(collection(tmp_path / "a.geojson", line([0, 0], [1, 1]), line([2, 2])))
    assert layer.fields["a"].tolist() == [0]
    assert "1 of 2 features have no valid geometry" in caplog.text
    with pytest.raises(DataError, match="1 of 1 features"):
        read_layer(collection(tmp_path / "b.geojson", line([2, 2])))


def test_infinite_coordinates_are_left_out(tmp_path, caplog):
    lines = [shapely.LineString([(0, 0), (1, 1)]), shapely.LineString([(0, 0), (np.inf, 1)])]
    path = write_features(tmp_path / "a.gpkg", [Layer("a", "LineString", np.array(lines), {}, "EPSG:32633")])
    assert len(read_layer(path)) == 1
    assert "coordinates that are no numbers (features 2)" in caplog.text


def test_polygons_that_cross_themselves_are_repaired(tmp_path):
    bow = shapely.Polygon([(0, 0), (10, 10), (10, 0), (0, 10)])
    layer = read_layer(write_features(tmp_path / "a.gpkg", [Layer("a", "Polygon", np.array([bow]), {}, "EPSG:32633")]))
    assert shapely.is_valid(layer.geometries).all()
    assert layer.geometries[0].area == pytest.approx(50)


@pytest.mark.parametrize("point", [(10, 91), (500_000, 4_600_000), (721, 10)])
def test_degrees_that_are_none_are_refused(tmp_path, point):
    with pytest.raises(DataError, match=r"declares longitude and latitude .* Declare the CRS"):
        read_layer(collection(tmp_path / "a.geojson", line([0, 0], point)))


def test_longitudes_from_0_to_360_are_degrees(tmp_path):
    assert len(read_layer(collection(tmp_path / "a.geojson", line([350, 0], [359, 1])))) == 1


@pytest.fixture
def two_layers(tmp_path):
    lines = Layer("roads", "LineString", np.array([shapely.LineString([(0, 0), (1, 1)])]), {}, "EPSG:32633")
    parcels = Layer("parcels", "MultiPolygon", np.array([shapely.MultiPolygon([shapely.box(0, 0, 2, 2)])]), {}, None)
    return write_features(tmp_path / "two.gpkg", [lines, parcels])


def test_the_layer_of_the_kind_that_is_needed_is_taken(two_layers, caplog):
    assert read_layer(two_layers, kinds=("Polygon",)).geometries[0].area == 4
    assert read_lines(two_layers)[0][0].length == pytest.approx(2**0.5)
    assert not caplog.text


def test_a_choice_of_several_layers_is_told(two_layers, caplog):
    assert read_layer(two_layers).geometries[0].geom_type == "LineString"
    assert "2 layers: roads (LineString), parcels (Polygon). The layer roads is read" in caplog.text
    with pytest.raises(DataError, match=r"no layer of Point features, but roads \(LineString\), parcels \(Polygon\)"):
        read_layer(two_layers, kinds=("Point",))


def test_a_file_in_an_archive_is_read(tmp_path, two_layers):
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.write(two_layers, "in/two.gpkg")
    assert len(read_layer(f"/vsizip/{tmp_path}/two.zip/in/two.gpkg", "parcels")) == 1


@pytest.mark.parametrize("seed", range(40))
def test_damaged_geoparquet_is_one_sentence(tmp_path, seed):
    pytest.importorskip("pyarrow")
    lines = np.array([shapely.LineString([(0, 0), (n, 1)]) for n in range(1, 30)])
    path = write_features(tmp_path / "a.parquet", [Layer("a", "LineString", lines, {}, "EPSG:32633")])
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    if seed % 2:
        for place in rng.integers(0, len(content), 12):
            content[place] = rng.integers(0, 256)
    else:
        del content[int(rng.integers(0, len(content))) :]
    path.write_bytes(content)
    # Some bytes say nothing; then the layer is read.
    with contextlib.suppress(DataError):
        assert read_layer(path).name == "a"
