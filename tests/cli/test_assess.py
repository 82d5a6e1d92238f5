from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from click.testing import CliRunner

from overland.cli.assess import command
from overland.raster import write_class_map
from scenes import ROAD_LEGEND, utm_grid


@pytest.fixture
def mask(tmp_path):
    ids = np.zeros((40, 50), np.uint8)
    ids[:10] = 1
    write_class_map(tmp_path / "m.tif", ids, utm_grid(40, 50, 10), ROAD_LEGEND)
    return tmp_path / "m.tif"


def run(*arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_the_whole_way(mask, tmp_path):
    assert "points for a standard error of 0.0300" in run("plan", mask, "--target-se", 0.03).stdout
    drawn = run("sample", mask, tmp_path / "s.csv", "--points", 60, "--allocation", "equal")
    assert "road: 30 points (25.00% of the area)" in drawn.stdout
    rows = list(csv.DictReader((tmp_path / "s.csv").read_text().splitlines()))
    with (tmp_path / "s.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "reference": row["map_name"]} for row in rows)
    result = run("estimate", tmp_path / "s.csv", mask)
    assert result.exit_code == 0
    assert "Overall accuracy 1.000 ± 0.000 (95% interval, 60 points)" in result.stdout
    assert "5.0 ± 0.0" in result.stdout


def test_a_half_interval_is_a_standard_error(mask):
    half = json.loads(run("plan", mask, "--target-ci", 0.0588, "--json").stdout)
    error = json.loads(run("plan", mask, "--target-se", 0.03, "--json").stdout)
    assert half["points"] == error["points"]
    assert half["target_se"] == pytest.approx(0.03, abs=1e-4)


def test_expected_accuracies_by_name_and_for_the_others(mask):
    values = json.loads(
        run("plan", mask, "--expected-accuracy", "road=0.6", "--expected-accuracy", 0.9, "--json").stdout
    )
    assert [row["expected_accuracy"] for row in values["classes"]] == [0.9, 0.6]


@pytest.mark.parametrize(
    "options", [["--expected-accuracy", "road=high"], ["--target-se", 0.01, "--target-ci", 0.02], ["--target-se", 2]]
)
def test_options_that_make_no_sense(mask, options):
    assert run("plan", mask, *options).exit_code == 2


def test_an_unlabelled_sample_is_bad_input(mask, tmp_path):
    run("sample", mask, tmp_path / "s.gpkg", "--points", 20)
    result = run("estimate", tmp_path / "s.gpkg", mask)
    assert result.exit_code == 3
    assert "Label every point" in result.stderr
