from __future__ import annotations

import csv
import os

import numpy as np
import pytest
import shapely
from affine import Affine
from PIL import Image

from overland.errors import DataError, UsageError
from overland.geo.measures import reprojected
from overland.legend import legend_from_names
from overland.raster import Grid, class_map, open_scene, write_class_map
from overland.vector import Layer, read_layer, write_features
from overland.workflows.assess import assess_estimate, assess_plan, assess_sample
from scenes import utm_grid

LAND = legend_from_names(["deforestation", "gain", "forest", "other"])
# The example of Olofsson et al. 2014: error matrix of 640 points, and a map of 10 million pixels of 30 m.
MATRIX = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])
FRACTIONS = (0.02, 0.015, 0.32, 0.645)


@pytest.fixture
def mask(tmp_path):
    """A map with the fractions of the example, a thousandth of its pixels, a thousand times as large each."""
    ids = np.repeat(np.arange(4, dtype=np.uint8), (np.array(FRACTIONS) * 10_000).astype(int)).reshape(100, 100)
    write_class_map(tmp_path / "map.tif", ids, utm_grid(100, 100, 30 * 1000**0.5), LAND)
    return tmp_path / "map.tif"


def write_labels(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def labelled(mask, path, label, points=200, **options):
    assess_sample(mask, path, points=points, **options)
    rows = list(csv.DictReader(path.read_text().splitlines()))
    for number, row in enumerate(rows):
        row["reference"] = label(number, row)
    return write_labels(path, rows)


@pytest.fixture
def golden(mask, tmp_path):
    with open_scene(mask) as scene:
        ids, grid = scene.read()[0][0], scene.grid
    rows = []
    for index, counts in enumerate(MATRIX):
        labels = np.repeat(LAND.names, counts)
        for (row, col), label in zip(np.argwhere(ids == index), labels, strict=False):
            x, y = grid.xy(row + 0.5, col + 0.5)
            rows.append({"id": len(rows), "x": x, "y": y, "map_class": index, "reference": label})
        # A class with fewer pixels than points: the same ones again.
        missing = counts.sum() - min(counts.sum(), (ids == index).sum())
        rows += [{**rows[-1], "reference": label} for label in labels[len(labels) - missing :]]
    return write_labels(tmp_path / "golden.csv", rows)


def test_the_published_example_to_the_printed_digits(golden, mask, tmp_path):
    found = assess_estimate(golden, mask, output=tmp_path / "e.csv")
    first = found.classes[0]
    assert found.to_dict()["counts"] == MATRIX.tolist()
    assert found.total_area_ha == pytest.approx(900_000)
    assert (round(first.area_ha), round(first.area_margin_ha)) == (21_158, 6_158)
    assert (round(found.overall, 3), round(found.overall_margin, 3)) == (0.947, 0.018)
    assert first.area_m2 == pytest.approx(211_580_000, abs=5_000)
    table = list(csv.DictReader((tmp_path / "e.csv").read_text().splitlines()))
    assert round(float(table[0]["area_ha"])) == 21_158
    assert float(table[0]["mapped_ha"]) == pytest.approx(18_000)


def test_the_plan_of_the_published_example(mask):
    expected = dict(zip(LAND.names, (0.7, 0.6, 0.9, 0.95), strict=True))
    plan = assess_plan(mask, target_se=0.01, expected_accuracies=expected, min_points=75)
    # 640.6 for a map without end; of 10,000 pixels 640.6 / (1 + 0.0672 / (0.01² x 10,000)) are enough.
    assert plan.points == 601
    assert sum(row.olofsson for row in plan.classes) == plan.points
    assert [row.olofsson for row in plan.classes][:2] == [75, 75]
    assert plan.expected_se["proportional"] == pytest.approx(0.0107, abs=5e-4)
    with pytest.raises(DataError, match="'snow'"):
        assess_plan(mask, expected_accuracies={"snow": 0.5})


@pytest.mark.parametrize("suffix", [".gpkg", ".csv"])
def test_a_sample_can_be_labelled(mask, tmp_path, suffix):
    found = assess_sample(mask, tmp_path / f"s{suffix}", points=200)
    assert [row.points for row in found.classes] == [50, 50, 50, 50]
    if suffix == ".gpkg":
        layer = read_layer(tmp_path / "s.gpkg")
        fields = {name: values.tolist() for name, values in layer.fields.items()}
        assert layer.crs == "EPSG:32633"
        assert shapely.get_x(layer.geometries).tolist() == fields["x"]
    else:
        rows = list(csv.DictReader((tmp_path / "s.csv").read_text().splitlines()))
        fields = {name: [row[name] for row in rows] for name in rows[0]}
    assert list(fields) == ["id", "x", "y", "map_class", "map_name", "reference"]
    assert set(fields["reference"]) == {""}
    assert [LAND.names[int(index)] for index in fields["map_class"]] == fields["map_name"]
    with pytest.raises(DataError, match="200 of 200 points have no reference"):
        assess_estimate(tmp_path / f"s{suffix}", mask)


def test_the_same_seed_draws_the_same_points(mask, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assess_sample(mask, tmp_path / f"{name}.csv", points=20, seed=seed)
    texts = [(tmp_path / f"{name}.csv").read_text() for name in "abc"]
    assert texts[0] == texts[1] != texts[2]


def test_perfect_labels_give_the_mapped_areas(mask, tmp_path):
    path = labelled(mask, tmp_path / "s.csv", lambda number, row: row["map_name"])
    found = assess_estimate(path, mask)
    assert found.overall == 1
    for row in found.classes:
        assert row.area_ha == pytest.approx(row.mapped_ha)
        assert row.area_margin_ha == 0


def test_labels_may_be_ids_or_names_in_any_case(mask, tmp_path):
    path = labelled(mask, tmp_path / "s.csv", lambda n, row: row["map_class"] if n % 2 else row["map_name"].upper())
    assert assess_estimate(path, mask).overall == 1


def test_points_that_a_gis_has_moved_to_another_crs(mask, tmp_path):
    assess_sample(mask, tmp_path / "s.gpkg", points=40)
    layer = read_layer(tmp_path / "s.gpkg")
    fields = {**layer.fields, "reference": layer.fields["map_name"]}
    degrees = reprojected(layer.geometries, layer.crs, "EPSG:4326")
    write_features(tmp_path / "d.geojson", [Layer("s", "Point", degrees, fields, "EPSG:4326")])
    assert assess_estimate(tmp_path / "d.geojson", mask).overall == 1


def test_the_interval_holds_the_truth_as_often_as_it_says(tmp_path):
    rng = np.random.default_rng(5)
    truth = (rng.random((120, 120)) < 0.3).astype(np.uint8)
    wrong = rng.random(truth.shape) < 0.15
    legend = legend_from_names(["background", "road"])
    write_class_map(tmp_path / "m.tif", np.where(wrong, 1 - truth, truth), utm_grid(120, 120, 10), legend)
    hectares, inside = truth.sum() * 0.01, 0
    for seed in range(40):
        path = tmp_path / f"{seed}.csv"
        assess_sample(tmp_path / "m.tif", path, points=150, seed=seed)
        rows = list(csv.DictReader(path.read_text().splitlines()))
        for row in rows:
            col, line = (float(row["x"]) - 500_000) / 10, (5_200_000 - float(row["y"])) / 10
            row["reference"] = truth[int(line), int(col)]
        road = assess_estimate(write_labels(path, rows), tmp_path / "m.tif").classes[1]
        inside += abs(road.area_ha - hectares) <= road.area_margin_ha
    # 40 draws at 95 %: below 34 once in 140 times.
    assert inside >= 34


def test_strata_from_another_map(mask, tmp_path):
    with open_scene(mask) as scene:
        grid = scene.grid
    halves = np.zeros((100, 100), np.uint8)
    halves[:, 50:] = 1
    write_class_map(tmp_path / "halves.tif", halves, grid, legend_from_names(["west", "east"]))
    path = labelled(
        mask, tmp_path / "s.csv", lambda n, row: row["map_name"], points=120, strata=tmp_path / "halves.tif"
    )
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [row["stratum"] for row in rows].count("west") == 60
    read = assess_estimate(path, mask, strata=tmp_path / "halves.tif")
    named = assess_estimate(path, mask, strata=tmp_path / "halves.tif", strata_field="stratum")
    assert read.classes == named.classes
    assert read.overall == 1
    fractions = [sum(row["map_class"] == str(index) for row in rows) / 120 for index in range(4)]
    assert [row.area_fraction for row in read.classes] == pytest.approx(fractions)
    with pytest.raises(UsageError, match="--strata"):
        assess_estimate(path, mask, strata_field="stratum")


def test_in_degrees_larger_pixels_are_drawn_more_often(tmp_path, monkeypatch):
    monkeypatch.setattr(class_map, "_BLOCK", 64)
    grid = Grid(height=800, width=40, transform=Affine(0.1, 0, 0, 0, -0.1, 80), crs="EPSG:4326")
    ids = np.zeros((800, 40), np.uint8)
    ids[400:] = 1
    write_class_map(tmp_path / "m.tif", np.zeros_like(ids), grid, legend_from_names(["north", "south"]))
    path = labelled(
        tmp_path / "m.tif", tmp_path / "s.csv", lambda n, row: "south" if float(row["y"]) < 40 else "north", points=2000
    )
    south = assess_estimate(path, tmp_path / "m.tif").classes[1]
    # Of the ground between the equator and 80° north, sin 40° / sin 80° lies south of 40°: 65 %, not 50 %.
    assert south.area_fraction == pytest.approx(np.sin(np.radians(40)) / np.sin(np.radians(80)), abs=0.03)


def test_unknown_labels_are_named(mask, tmp_path):
    path = labelled(mask, tmp_path / "s.csv", lambda n, row: "snow" if n == 3 else row["map_name"])
    with pytest.raises(DataError, match=r"called snow; the map has deforestation, gain"):
        assess_estimate(path, mask)


def test_a_sample_of_another_map_is_noticed(mask, tmp_path):
    path = labelled(mask, tmp_path / "s.csv", lambda n, row: row["map_name"])
    other = np.full((100, 100), 3, np.uint8)
    with open_scene(mask) as scene:
        write_class_map(tmp_path / "other.tif", other, scene.grid, LAND)
    with pytest.raises(DataError, match="--strata"):
        assess_estimate(path, tmp_path / "other.tif")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x;y;reference\n1;2;gain\n", "no column 'x'"),
        ("x,y,reference\nfar,2,gain\n", "cannot be read"),
        ("x,y,reference\n", "no points"),
        ("x,y,reference\n1,2,gain\n", "outside"),
        ("x,y,label\n1,2,gain\n", "no field 'reference'"),
    ],
)
def test_what_is_no_sample_is_refused(mask, tmp_path, text, message):
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        assess_estimate(tmp_path / "s.csv", mask)


def test_a_class_of_one_point_is_refused(mask, tmp_path):
    path = labelled(mask, tmp_path / "s.csv", lambda n, row: row["map_name"])
    rows = list(csv.DictReader(path.read_text().splitlines()))
    gain = [row for row in rows if row["map_name"] == "gain"]
    write_labels(path, [row for row in rows if row["map_name"] != "gain"] + gain[:1])
    with pytest.raises(DataError, match="stratum gain has 1 points"):
        assess_estimate(path, mask)


def test_classes_without_names_are_called_alike_in_sample_and_estimate(tmp_path):
    ids = np.zeros((40, 40), np.uint8)
    ids[:9] = 1
    Image.fromarray(ids).save(tmp_path / "m.png")
    path = labelled(tmp_path / "m.png", tmp_path / "s.csv", lambda n, row: row["map_name"], points=20)
    found = assess_estimate(path, tmp_path / "m.png")
    assert found.class_names == ("background", "class 1")
    assert found.overall == 1
    assert found.total_area_ha is found.classes[1].area_ha is None
    assert found.classes[1].area_fraction == pytest.approx(9 / 40)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_tables_of_other_systems_are_read(mask, tmp_path, encoding):
    path = labelled(mask, tmp_path / "s.csv", lambda number, row: row["map_name"])
    path.write_bytes(path.read_text().replace("reference", "reference,Höhe", 1).encode(encoding))
    assert assess_estimate(path, mask).overall == 1


def test_a_pipe_is_no_sample(mask, tmp_path):
    os.mkfifo(tmp_path / "s.csv")
    with pytest.raises(DataError, match="no regular file"):
        assess_estimate(tmp_path / "s.csv", mask)


def test_more_points_than_pixels_are_refused(mask, tmp_path):
    with pytest.raises(UsageError, match="the map has 10,000 pixels of a class"):
        assess_sample(mask, tmp_path / "s.csv", points=10**22)
    with pytest.raises(UsageError, match="from 0 up"):
        assess_sample(mask, tmp_path / "s.csv", seed=-1)
