import json
import math
import os
from pathlib import Path

import numpy as np
import pyproj
import pytest
import shapely

from overland.errors import DataError, UsageError
from overland.vector import Layer, write_features
from overland.workflows.evaluate_roads import RoadGraphSize, evaluate_roads

TOWN = np.array(
    [
        shapely.LineString([(x, 5_200_000 + y) for x, y in line])
        for line in (
            [(500_000, 0), (500_100, 0), (500_200, 0)],
            [(500_100, -100), (500_100, 0), (500_100, 80)],
        )
    ]
)


def lines_file(path, lines=TOWN, crs="EPSG:32633"):
    """Lines drawn in UTM, in a file of another CRS."""
    if crs not in (None, "EPSG:32633"):
        to = pyproj.Transformer.from_crs("EPSG:32633", crs, always_xy=True)
        lines = shapely.transform(np.asarray(lines), to.transform, interleaved=False)
    write_features(path, [Layer("edges", "LineString", lines, {}, crs)], overwrite=True)
    return path


@pytest.fixture
def truth(tmp_path):
    return lines_file(tmp_path / "truth.gpkg")


def test_the_same_roads_score_1(truth, tmp_path):
    values = evaluate_roads(truth, truth, output=tmp_path / "out")

    assert values.truth_graph == RoadGraphSize(length_m=380, nodes=5, edges=4, components=1)
    scores = [values.apls_cosmiq.score, values.apls_sat2graph.score]
    assert [*scores, values.topo_cosmiq.f1, values.topo_sat2graph.f1] == pytest.approx([1] * 4)
    assert values.crs == "EPSG:32633"
    assert values.sat2graph_tile == "small"
    assert json.loads((tmp_path / "out" / "metrics.json").read_text()) == values.to_dict()


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857", "EPSG:32634", "EPSG:2263"])
def test_whatever_the_crs_lengths_are_metres(truth, tmp_path, crs):
    other = lines_file(tmp_path / "other.gpkg", crs=crs)
    there = evaluate_roads(truth, other, variant="cosmiq", output=tmp_path / "a")
    back = evaluate_roads(other, truth, variant="cosmiq", output=tmp_path / "b")

    assert there.apls_cosmiq.score == pytest.approx(1, abs=1e-3)
    assert back.apls_cosmiq.score == pytest.approx(1, abs=1e-3)
    assert back.truth_graph.length_m == pytest.approx(380, rel=0.005)


def test_a_truth_in_geojson_is_read_as_degrees(tmp_path, truth):
    geojson = lines_file(tmp_path / "truth.geojson", crs="EPSG:4326")
    values = evaluate_roads(geojson, truth, output=tmp_path / "out")

    assert values.crs.startswith("+proj=aeqd")
    assert values.apls_cosmiq.score == pytest.approx(1, abs=1e-4)


def test_the_variant_is_what_is_computed(truth, tmp_path):
    values = evaluate_roads(truth, truth, variant="sat2graph", output=tmp_path / "out")

    assert values.apls_sat2graph is not None
    assert values.topo_sat2graph is not None
    assert values.apls_cosmiq is values.topo_cosmiq is None
    with pytest.raises(UsageError, match="no variant 'apls'"):
        evaluate_roads(truth, truth, variant="apls")


def test_a_large_tile_has_sat2graphs_own_distances(tmp_path):
    long = lines_file(tmp_path / "t.gpkg", np.array([shapely.LineString([(500_000, 5.2e6), (501_200, 5.2e6)])]))
    assert evaluate_roads(long, long, output=tmp_path / "out").sat2graph_tile == "large"


def test_an_empty_proposal_scores_0(truth, tmp_path):
    nothing = lines_file(tmp_path / "none.gpkg", TOWN[:0])
    values = evaluate_roads(truth, nothing, output=tmp_path / "out")

    assert values.apls_cosmiq.score == values.apls_sat2graph.score == 0
    assert values.topo_cosmiq.f1 == values.topo_sat2graph.f1 == 0


def test_two_empty_graphs_have_no_score(tmp_path):
    nothing = lines_file(tmp_path / "none.gpkg", TOWN[:0])
    values = evaluate_roads(nothing, nothing, output=tmp_path / "out")

    assert math.isnan(values.apls_cosmiq.score)
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["apls_cosmiq"]["score"] is None


def test_a_crs_that_only_one_file_has_is_an_error(truth, tmp_path):
    with pytest.raises(DataError, match=r"pixels.gpkg has no CRS, .*truth.gpkg has EPSG:32633"):
        evaluate_roads(truth, lines_file(tmp_path / "pixels.gpkg", crs=None), output=tmp_path / "out")


def test_without_a_crs_a_unit_is_a_metre(tmp_path, caplog):
    pixels = lines_file(tmp_path / "pixels.gpkg", crs=None)
    with caplog.at_level("INFO", logger="overland"):
        values = evaluate_roads(pixels, pixels, output=tmp_path / "out")

    assert values.crs is None
    assert values.apls_cosmiq.score == pytest.approx(1)
    assert "taken for a metre" in caplog.text


def test_roads_elsewhere_are_warned_of(truth, tmp_path, caplog):
    elsewhere = lines_file(tmp_path / "far.gpkg", shapely.transform(TOWN, lambda xy: xy + 5000))
    values = evaluate_roads(truth, elsewhere, output=tmp_path / "out")

    assert values.apls_cosmiq.score == 0
    assert "do not overlap" in caplog.text


def test_points_are_no_roads(truth, tmp_path):
    points = tmp_path / "points.gpkg"
    write_features(points, [Layer("points", "Point", np.array([shapely.Point(0, 0)]), {}, "EPSG:32633")])
    with pytest.raises(DataError, match="lines are needed"):
        evaluate_roads(truth, points, output=tmp_path / "out")


def test_an_output_that_exists_is_kept(truth, tmp_path):
    evaluate_roads(truth, truth, output=tmp_path / "out")
    with pytest.raises(UsageError, match="exists already"):
        evaluate_roads(truth, truth, output=tmp_path / "out")


def test_a_road_over_the_antimeridian_is_short(tmp_path):
    lines = [shapely.LineString([(179.999, -17), (180, -17)]), shapely.LineString([(-180, -17), (-179.997, -17.001)])]
    path = tmp_path / "fiji.geojson"
    write_features(path, [Layer("edges", "LineString", np.array(lines), {}, "EPSG:4326")])
    values = evaluate_roads(path, path, output=tmp_path / "out")

    assert values.truth_graph.length_m == pytest.approx(106.5 + 338, abs=2)
    assert values.truth_graph.components == 1
    assert values.topo_cosmiq.f1 == 1


def test_a_loop_is_the_same_wherever_it_begins(tmp_path):
    ring = [(500_100, 5.2e6), (500_190, 5.2e6), (500_190, 5.2e6 + 100), (500_100, 5.2e6 + 100)]
    stem = shapely.LineString([(500_000, 5.2e6), (500_100, 5.2e6)])
    for number, begun in enumerate((ring, ring[2:] + ring[:2], ring[::-1])):
        lines_file(tmp_path / f"{number}.gpkg", np.array([shapely.LineString([*begun, begun[0]])]))
        lines_file(tmp_path / f"stem{number}.gpkg", np.array([stem, shapely.LineString([*begun, begun[0]])]))
    degrees = lines_file(tmp_path / "d.geojson", np.array([shapely.LineString([*ring, ring[0]])]), crs="EPSG:4326")
    for truth, other in [("0", "1.gpkg"), ("0", "2.gpkg"), ("stem0", "stem2.gpkg"), ("0", degrees.name)]:
        paths = tmp_path / f"{truth}.gpkg", tmp_path / other
        found = evaluate_roads(*paths, output=tmp_path / "out", overwrite=True)
        assert found.topo_cosmiq.f1 == pytest.approx(1, abs=0.01), paths
        assert found.apls_cosmiq.score == pytest.approx(1, abs=0.01)


@pytest.mark.real
def test_spacenet_truth_against_openstreetmap(tmp_path):
    if "OVERLAND_DATA" not in os.environ:
        pytest.skip("OVERLAND_DATA is not set")
    folder = Path(os.environ["OVERLAND_DATA"], "spacenet-graphs")
    truths = sorted(folder.glob("*_spacenetroads_*.geojson"))
    assert len(truths) == 7
    for truth in truths:
        proposal = truth.with_name(truth.name.replace("spacenetroads", "osm"))
        values = evaluate_roads(truth, proposal, output=tmp_path / truth.stem)
        assert 0 < values.apls_cosmiq.score < 1
        assert 0 < values.topo_sat2graph.f1 <= 1
        same = evaluate_roads(truth, truth, output=tmp_path / f"{truth.stem}-same")
        assert same.apls_cosmiq.score == pytest.approx(1)
        assert same.topo_cosmiq.f1 == same.topo_sat2graph.f1 == 1


def test_a_local_crs_in_feet_is_measured_in_metres(tmp_path):
    feet = (
        'ENGCRS["Plant grid",EDATUM["stake"],CS[Cartesian,2],AXIS["(E)",east,ORDER[1],LENGTHUNIT["foot",0.3048]],'
        'AXIS["(N)",north,ORDER[2],LENGTHUNIT["foot",0.3048]]]'
    )
    lines = np.array([shapely.LineString([(0, 0), (1000, 0)]), shapely.LineString([(1000, 0), (1000, 500)])])
    write_features(tmp_path / "r.gpkg", [Layer("roads", "LineString", lines, {}, feet)])
    found = evaluate_roads(tmp_path / "r.gpkg", tmp_path / "r.gpkg", output=tmp_path / "out")
    assert found.truth_graph.length_m == pytest.approx(1500 * 0.3048)


@pytest.mark.parametrize("which", [0, 1])
def test_a_vertex_gone_astray_is_refused_and_nothing_is_written(tmp_path, which):
    far = [shapely.LineString([(500_000, 5_200_000), (500_100, 5_200_000), (500_100, 7_200_000)])]
    roads = [TOWN, TOWN]
    roads[which] = far
    truth, proposal = (lines_file(tmp_path / f"{n}.gpkg", each) for n, each in enumerate(roads))
    with pytest.raises(DataError, match=f"{which}.gpkg: a road goes .* km from one vertex to the next"):
        evaluate_roads(truth, proposal, output=tmp_path / "out")
    assert not (tmp_path / "out").exists()
