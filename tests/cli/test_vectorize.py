from __future__ import annotations

import json

import numpy as np
import pytest
from affine import Affine
from click.testing import CliRunner

from overland.cli.vectorize import command
from overland.legend import legend_from_names
from overland.raster import Grid, create_raster, write_class_map


@pytest.fixture
def mask(tmp_path):
    pixels = np.zeros((100, 100), dtype=np.uint8)
    pixels[45:54] = 1
    grid = Grid(height=100, width=100, transform=Affine(1, 0, 500000, 0, -1, 4600000), crs="EPSG:32633")
    write_class_map(tmp_path / "mask.tif", pixels, grid, legend_from_names(["background", "road"]))
    return tmp_path / "mask.tif"


def run(*arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_polygons_are_counted_for_people(mask, tmp_path):
    result = run(mask, tmp_path / "a.gpkg")
    assert result.exit_code == 0
    assert "1 polygon, 900 m² in all" in result.stdout
    assert (tmp_path / "a.gpkg").is_file()


def test_roads_as_json(mask, tmp_path):
    result = run(mask, tmp_path / "a.geojson", "--kind", "roads", "--class", "road", "--json")
    values = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (values["edges"], values["nodes"], values["crs"]) == (1, 2, "EPSG:4326")


def test_roads_for_people(mask, tmp_path):
    assert "1 edge and 2 nodes (road)" in run(mask, tmp_path / "a.gpkg", "--kind", "roads").stdout


def test_an_existing_output_is_kept(mask, tmp_path):
    output = tmp_path / "a.gpkg"
    assert run(mask, output).exit_code == 0
    result = run(mask, output)
    assert result.exit_code == 2
    assert "--overwrite" in result.stderr
    assert run(mask, output, "--overwrite").exit_code == 0


def test_a_missing_mask_is_bad_input(tmp_path):
    result = run(tmp_path / "no.tif", tmp_path / "a.gpkg")
    assert result.exit_code == 3
    assert "does not exist" in result.stderr


def test_help_has_examples():
    result = run("--help")
    assert result.exit_code == 0
    assert "--kind roads" in result.stdout


def test_a_graph_for_osmnx_with_confidence(mask, tmp_path):
    grid = Grid(height=100, width=100, transform=Affine(1, 0, 500000, 0, -1, 4600000), crs="EPSG:32633")
    with create_raster(tmp_path / "probabilities.tif", grid, dtype="float32") as probabilities:
        probabilities.write(np.full((100, 100), 0.2, dtype=np.float32), grid.window)
    arguments = ["--kind", "roads", "--probabilities", tmp_path / "probabilities.tif", "--low-threshold", 0.9]
    result = run(mask, tmp_path / "a.graphml", *arguments)
    assert result.exit_code == 0
    assert "mean_p" in (tmp_path / "a.graphml").read_text()


def test_a_mask_is_no_probabilities(mask, tmp_path):
    result = run(mask, tmp_path / "a.gpkg", "--probabilities", mask)
    assert result.exit_code == 3
    assert "predict --probabilities" in result.stderr


def test_polygons_are_squared_and_roads_are_not(mask, tmp_path):
    assert run(mask, tmp_path / "a.gpkg", "--regularize").exit_code == 0
    result = run(mask, tmp_path / "b.gpkg", "--regularize", "--kind", "roads")
    assert result.exit_code == 2
    assert "--regularize" in result.stderr
