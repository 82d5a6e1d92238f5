from __future__ import annotations

import json

import numpy as np
import pytest
import shapely
from click.testing import CliRunner

from overland.cli.evaluate_roads import command
from overland.vector import Layer, write_features


@pytest.fixture
def roads(tmp_path):
    lines = np.array([shapely.LineString([(500_000, 5_200_000), (500_300, 5_200_000)])], dtype=object)
    return write_features(tmp_path / "roads.gpkg", [Layer("edges", "LineString", lines, {}, "EPSG:32633")])


def run(*arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_both_variants_for_people(roads, tmp_path):
    result = run(roads, roads, "-o", tmp_path / "out")
    assert result.exit_code == 0
    assert "Truth:    0.30 km, 1 edges, 2 nodes, 1 components" in result.stdout
    assert "Variant of CosmiQ/SpaceNet\n  APLS 1.0000" in result.stdout
    assert "Variant of Sat2Graph, with its distances for small tiles\n" in result.stdout


def test_one_variant_as_json(roads, tmp_path):
    values = json.loads(run(roads, roads, "--variant", "cosmiq", "-o", tmp_path / "out", "--json").stdout)
    assert values["apls_cosmiq"]["score"] == pytest.approx(1)
    assert values["apls_sat2graph"] is None


def test_an_unknown_variant_is_wrong_use(roads):
    assert run(roads, roads, "--variant", "apls").exit_code == 2
