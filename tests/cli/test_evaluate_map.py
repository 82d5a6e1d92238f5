from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from overland.cli.evaluate_map import command
from overland.raster import write_class_map
from scenes import ROAD_LEGEND, utm_grid, write_image


@pytest.fixture
def files(tmp_path):
    ids = np.zeros((20, 50), np.uint8)
    ids[:5] = 1
    write_class_map(tmp_path / "m.tif", ids, utm_grid(20, 50), ROAD_LEGEND)
    return tmp_path / "m.tif", write_image(tmp_path / "t.tif", ids[None], utm_grid(20, 50)), tmp_path / "out"


def run(*arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_a_table_for_people(files):
    mask, labels, output = files
    result = run(mask, labels, "-o", output)
    assert result.exit_code == 0
    assert "IoU of road, pooled: 1.0000" in result.stdout
    assert (output / "metrics.json").is_file()


def test_json_for_programs_and_names_in_one_word(files):
    mask, labels, output = files
    values = json.loads(
        run(labels, mask, "--names", "background, road", "--boundary", "1", "-o", output, "--json").stdout
    )
    assert values["class_names"] == ["background", "road"]
    assert values["boundary"]["iou"] == 1
    assert values["roads"] is None


def test_bad_input_is_one_sentence(files):
    mask, labels, output = files
    result = run(labels, mask, "-o", output)
    assert result.exit_code == 3
    assert "--names" in result.stderr
