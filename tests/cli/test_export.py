from __future__ import annotations

import json

from click.testing import CliRunner

from models_made import threshold_bundle
from overland.cli.export import command


def run(*arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_people_are_told_what_was_written_and_what_to_set(tmp_path):
    model = threshold_bundle(tmp_path / "model").path
    result = run(model, tmp_path / "road.onnx", "--tile-size", 64)
    assert result.exit_code == 0
    assert "onnx, fp32, 0.0 MB, tiles of 64 pixels that overlap by 13 %" in result.stdout
    assert "The model does not know its resolution" in result.stdout
    assert f"Wrote {tmp_path / 'road.onnx'}" in result.stdout


def test_json_is_one_object(tmp_path):
    model = threshold_bundle(tmp_path / "model").path
    result = run(model, tmp_path / "item.json", "--format", "stac", "--json")
    assert json.loads(result.stdout)["format"] == "stac"


def test_bad_input_is_one_sentence(tmp_path):
    result = run(tmp_path / "none", tmp_path / "a.onnx")
    assert result.exit_code == 3
    assert "is not a model bundle" in result.stderr
    assert run(tmp_path, tmp_path / "a", "--format", "keras").exit_code == 2
