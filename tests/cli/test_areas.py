from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from overland.cli.areas import command
from overland.raster import write_class_map
from scenes import ROAD_LEGEND, utm_grid


@pytest.fixture
def mask(tmp_path):
    ids = np.zeros((20, 50), np.uint8)
    ids[:5] = 1
    write_class_map(tmp_path / "m.tif", ids, utm_grid(20, 50, 10), ROAD_LEGEND)
    return tmp_path / "m.tif"


def run(*arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_a_table_for_people(mask, tmp_path):
    result = run(mask, "-o", tmp_path / "a.csv")
    assert result.exit_code == 0
    assert "road" in result.stdout
    assert "2.50    25.00%" in result.stdout
    assert "a.csv" in result.stdout


def test_json_is_one_object(mask):
    values = json.loads(run(mask, "--json").stdout)
    assert values["classes"][1]["area_m2"] == 25_000


def test_a_missing_map_is_bad_input(tmp_path):
    assert run(tmp_path / "no.tif").exit_code == 3
