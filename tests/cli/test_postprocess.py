from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from overland.cli.postprocess import command
from overland.legend import legend_from_names
from overland.raster import write_class_map
from scenes import utm_grid


@pytest.fixture
def mask(tmp_path):
    pixels = np.zeros((100, 100), dtype=np.uint8)
    pixels[45:54] = 1
    pixels[10, 10:14] = 1
    legend = legend_from_names(["background", "road"])
    write_class_map(tmp_path / "mask.tif", pixels, utm_grid(100, 100), legend)
    return tmp_path / "mask.tif"


def run(*arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_what_changed_is_told_to_people(mask, tmp_path):
    result = run(mask, tmp_path / "a.tif", "--remove-objects", 50)
    assert result.exit_code == 0
    assert "0.04% of 0.01 Mpx changed, 4 regions became 3" in result.stdout
    assert "road: 904 px, now 900 (0.44% to background)" in result.stdout
    assert (tmp_path / "a.tif").is_file()


def test_a_small_share_is_not_said_to_be_none(tmp_path):
    pixels = np.zeros((300, 300), dtype=np.uint8)
    pixels[9, 9] = 1
    write_class_map(tmp_path / "mask.tif", pixels, utm_grid(300, 300), legend_from_names(["sand", "rock"]))
    assert "<0.01% of 0.09 Mpx changed" in run(tmp_path / "mask.tif", tmp_path / "a.tif", "--median", 3).stdout


def test_what_changed_as_json(mask, tmp_path):
    result = run(mask, tmp_path / "a.tif", "--min-area-m2", 50, "--open", 3, "--json")
    values = json.loads(result.stdout)
    assert result.exit_code == 0
    assert values["steps"] == {"open": 3, "sieve": 50}
    assert values["classes"]["road"]["became"] == {"background": pytest.approx(4 / 904, abs=1e-6)}


def test_an_existing_output_is_kept(mask, tmp_path):
    output = tmp_path / "a.tif"
    assert run(mask, output, "--median", 3).exit_code == 0
    result = run(mask, output, "--median", 3)
    assert result.exit_code == 2
    assert "--overwrite" in result.stderr
    assert run(mask, output, "--median", 3, "--overwrite").exit_code == 0


def test_a_missing_mask_is_bad_input(tmp_path):
    result = run(tmp_path / "no.tif", tmp_path / "a.tif", "--median", 3)
    assert result.exit_code == 3
    assert "does not exist" in result.stderr


def test_an_even_window_is_a_wrong_option(mask, tmp_path):
    result = run(mask, tmp_path / "a.tif", "--median", 4)
    assert result.exit_code == 2
    assert "odd" in result.stderr


def test_help_has_examples():
    result = run("--help")
    assert result.exit_code == 0
    assert "--preset morphological" in result.stdout
