import json

import numpy as np
import pytest
from click.testing import CliRunner

from models_made import threshold_bundle
from overland.cli.evaluate import command
from overland.legend import legend_from_names
from overland.raster import write_class_map
from scenes import ROAD_LEGEND, utm_grid, write_road_dataset


def _run(*arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def model_and_data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    data = {"synthetic": True}
    return threshold_bundle(folder / "m", bands=3, data=data).path, write_road_dataset(folder / "d", train=1, side=48)


def test_a_table_for_people(model_and_data, tmp_path):
    model, data = model_and_data
    result = _run(model, "--data", data, "-o", tmp_path / "out", "-q")

    assert result.exit_code == 0
    assert "IoU of road, pooled: 1.0000, 95% interval 1.0000 to 1.0000 (2 images, synthetic scenes)" in result.stdout
    assert "Mean over images" in result.stdout
    assert "Threshold 0.500" in result.stdout


def test_json_for_programs(model_and_data, tmp_path):
    model, data = model_and_data
    result = _run(model, "--data", data, "-o", tmp_path / "out", "--json")

    assert json.loads(result.stdout)["pooled"]["iou"] == 1


def test_a_class_map_against_labels(tmp_path):
    mask = np.zeros((16, 16), np.uint8)
    mask[:4] = 1
    for name in ("m.tif", "t.tif"):
        write_class_map(tmp_path / name, mask, utm_grid(16, 16), ROAD_LEGEND)
    result = _run("--prediction", tmp_path / "m.tif", "--target", tmp_path / "t.tif", "-o", tmp_path / "out", "-q")

    assert result.exit_code == 0
    assert "IoU of road, pooled: 1.0000 (1 block)" in result.stdout


def test_lines_of_roads_in_masks(model_and_data, tmp_path):
    model, data = model_and_data
    result = _run(model, "--data", data, "--roads", "-o", tmp_path / "out", "-q")

    assert result.exit_code == 0
    assert "relaxed precision 1.0000 and recall 1.0000 (3 pixels), clDice 1.0000" in result.stdout
    assert "0.0% are broken and 0.0% missed" in result.stdout


def test_road_graphs(tmp_path):
    lines = [
        {"type": "Feature", "properties": {}, "geometry": {"type": "LineString", "coordinates": line}}
        for line in ([[15, 47], [15.001, 47], [15.002, 47]], [[15.001, 47], [15.001, 47.001]])
    ]
    for name, features in (("truth", lines), ("proposal", lines[:1])):
        text = json.dumps({"type": "FeatureCollection", "features": features})
        (tmp_path / f"{name}.geojson").write_text(text)
    files = "--graph", tmp_path / "truth.geojson", tmp_path / "proposal.geojson"
    result = _run(*files, "-o", tmp_path / "out", "-q")

    assert result.exit_code == 0
    assert "Truth:    0.26 km, 3 edges, 4 nodes, 1 components" in result.stdout
    assert "CosmiQ/SpaceNet form\n  APLS 0." in result.stdout
    assert "Sat2Graph form, at its 30 m for small tiles" in result.stdout
    values = json.loads(_run(*files, "-o", tmp_path / "json", "--json", "--form", "cosmiq").stdout)
    assert values["apls_cosmiq"]["proposal_to_truth"] == pytest.approx(1)
    assert "apls_sat2graph" not in values


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["model"],
        ["--data", "d"],
        ["model", "--data", "d", "--target", "t"],
        ["--graph", "t"],
        ["--graph", "t", "p", "--data", "d"],
        ["--graph", "t", "p", "--roads"],
        ["--graph", "t", "p", "--patches", "16"],
    ],
)
def test_a_model_a_class_map_or_a_graph(arguments):
    result = _run(*arguments)

    assert result.exit_code == 2
    assert "MODEL and --data, or --prediction and --target, or --graph and PROPOSAL" in result.output


def test_bad_input_is_one_sentence(tmp_path):
    result = _run(tmp_path / "none", "--data", tmp_path, "--json")

    assert result.exit_code == 3
    assert "not a model bundle" in json.loads(result.stdout)["error"]
    assert "Traceback" not in result.output


def test_outlines_patches_and_a_break_even(model_and_data, tmp_path):
    model, data = model_and_data
    wishes = "--roads", "--boundary", "2%", "--patches", "16"
    result = _run(model, "--data", data, *wishes, "-o", tmp_path / "out", "-q")

    assert result.exit_code == 0
    assert (
        "Boundary IoU in a band of 2% of the diagonal, pooled\n  mean 1.0000: background 1.0000, road" in result.stdout
    )
    assert "predicted by the mean of the scores: F1 1.0000, accuracy 1.0000" in result.stdout
    assert "(18 patches)" in result.stdout
    assert "relaxed precision equals recall (break-even) at 1.0000" in result.stdout


def test_a_mean_without_unknown_is_named(tmp_path):
    mask = np.zeros((16, 16), np.uint8)
    mask[:4], mask[4:8] = 1, 2
    legend = legend_from_names(["urban", "water", "unknown"])
    for name in ("m.tif", "t.tif"):
        write_class_map(tmp_path / name, mask, utm_grid(16, 16), legend)
    result = _run("--prediction", tmp_path / "m.tif", "--target", tmp_path / "t.tif", "-o", tmp_path / "out", "-q")

    assert "Mean IoU without unknown, pooled: 1.0000" in result.stdout
    assert "mean IoU 1.0000, without background 1.0000, without unknown 1.0000, pixel accuracy 1.0000" in result.stdout
