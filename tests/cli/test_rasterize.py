from __future__ import annotations

import json

import numpy as np
import pytest
import shapely
from click.testing import CliRunner

from overland.cli.rasterize import command
from overland.vector import Layer, write_features
from scenes import utm_grid, write_image


@pytest.fixture
def like(tmp_path):
    return write_image(tmp_path / "like.tif", np.full((1, 50, 50), 90, np.uint8), utm_grid(50, 50))


@pytest.fixture
def roads(tmp_path):
    lines = [shapely.LineString([(499_900, 5_199_975), (500_100, 5_199_975)])]
    fields = {"kind": np.array(["street"], dtype=object)}
    return write_features(tmp_path / "roads.gpkg", [Layer("roads", "LineString", lines, fields, "EPSG:32633")])


def run(*arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_classes_are_counted_for_people(roads, like, tmp_path):
    result = run(roads, like, tmp_path / "m.tif", "--width-m", 4, "--field", "kind", "--classes", "street, track")
    assert result.exit_code == 0
    assert "street: 1 features, 200 pixels (8.00%)" in result.stdout
    assert "track: 0 features" in result.stdout


def test_json_is_one_object(roads, like, tmp_path):
    values = json.loads(run(roads, like, tmp_path / "m.tif", "--width-m", 4, "--json").stdout)
    assert values["classes"]["roads"] == {"features": 1, "pixels": 200}


def test_lines_without_a_width_are_bad_input(roads, like, tmp_path):
    result = run(roads, like, tmp_path / "m.tif")
    assert result.exit_code == 3
    assert "--width-m" in result.stderr


def test_an_existing_output_is_kept(roads, like, tmp_path):
    assert run(roads, like, like, "--width-m", 4).exit_code == 2
