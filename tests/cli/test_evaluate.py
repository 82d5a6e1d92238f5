import json

import pytest
from click.testing import CliRunner

from models_made import threshold_bundle
from overland.cli.evaluate import command
from scenes import write_road_dataset


def _run(*arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def model_and_data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    data = {"synthetic": True}
    return threshold_bundle(folder / "m", bands=3, data=data).path, write_road_dataset(folder / "d", train=1, side=48)


def test_a_table_for_people(model_and_data, tmp_path):
    model, data = model_and_data
    result = _run(model, data, "-o", tmp_path / "out", "-q")

    assert result.exit_code == 0
    assert "IoU of road, pooled: 1.0000, 95% interval 1.0000 to 1.0000 (2 images, synthetic scenes)" in result.stdout
    assert "Mean over images" in result.stdout
    assert "Threshold 0.500" in result.stdout


def test_json_for_programs(model_and_data, tmp_path):
    model, data = model_and_data
    result = _run(model, data, "-o", tmp_path / "out", "--json")

    assert json.loads(result.stdout)["pooled"]["iou"] == 1


def test_lines_of_roads_in_masks(model_and_data, tmp_path):
    model, data = model_and_data
    result = _run(model, data, "--roads", "-o", tmp_path / "out", "-q")

    assert result.exit_code == 0
    assert "relaxed precision 1.0000 and recall 1.0000 (3 pixels), clDice 1.0000" in result.stdout
    assert "0.0% are broken and 0.0% missed" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["model"],
        ["model", "data", "--target", "t"],
        ["model", "data", "--prediction", "p"],
        ["model", "data", "--graph", "g"],
        ["model", "data", "--names", "a,b"],
        ["model", "data", "--seed", "1"],
    ],
)
def test_options_of_maps_and_road_graphs_are_those_of_other_commands(arguments):
    assert _run(*arguments).exit_code == 2


def test_bad_input_is_one_sentence(tmp_path):
    result = _run(tmp_path / "none", tmp_path, "--json")

    assert result.exit_code == 3
    assert "not a model bundle" in json.loads(result.stdout)["error"]
    assert "Traceback" not in result.output


def test_outlines_patches_and_a_break_even(model_and_data, tmp_path):
    model, data = model_and_data
    wishes = "--roads", "--boundary", "2%", "--patches", "16"
    result = _run(model, data, *wishes, "-o", tmp_path / "out", "-q")

    assert result.exit_code == 0
    assert (
        "Boundary IoU in a band of 2% of the diagonal, pooled\n  mean 1.0000: background 1.0000, road" in result.stdout
    )
    assert "predicted by the mean of the probabilities: F1 1.0000, accuracy 1.0000" in result.stdout
    assert "(18 patches)" in result.stdout
    assert "relaxed precision equals recall (break-even) at 1.0000" in result.stdout
