import json

import numpy as np
import pytest
from click.testing import CliRunner

from models_made import threshold_bundle
from overland.cli.predict import command
from overland.raster import Grid, create_raster


@pytest.fixture
def files(tmp_path):
    threshold_bundle(tmp_path / "m", bands=3)
    pixels = np.full((4, 60, 50), 200, np.uint8)
    with create_raster(tmp_path / "s.tif", Grid(height=60, width=50), count=4) as writer:
        writer.write(pixels, Grid(height=60, width=50).window)
    return tmp_path


def run(files, *options, scene="s.tif"):
    return CliRunner().invoke(command, [str(files / "m"), str(files / scene), str(files / "o.tif"), *options])


def test_a_scene_is_mapped_and_told_in_three_lines(files):
    result = run(files, "-b", "1,2,3")
    assert result.exit_code == 0, result.stderr
    assert "classes: background 0.0%, road 100.0%" in result.stdout
    assert "Written: " in result.stdout
    assert (files / "o.tif").is_file()


def test_json_is_one_object(files):
    result = run(files, "-b", "1,2,3", "--json")
    values = json.loads(result.stdout)
    assert {"output", "windows", "megapixels", "seconds", "mpx_per_s", "engine", "overlap_overhead"} <= set(values)
    assert values["class_fractions"]["road"] == 1


def test_a_dry_run_says_what_would_be_done(files):
    result = run(files, "-b", "1,2,3", "--dry-run")
    assert result.exit_code == 0, result.stderr
    assert "Nothing was written." in result.stdout
    assert "window" in result.stdout
    assert not (files / "o.tif").exists()


@pytest.mark.parametrize("bands", ["a", "0,1", "1;2", "1,,2"])
def test_bands_that_are_no_numbers_are_a_usage_error(files, bands):
    result = run(files, "-b", bands)
    assert result.exit_code == 2
    assert "Traceback" not in result.stderr


def test_a_damaged_scene_is_one_sentence_and_exit_code_3(files):
    (files / "bad.tif").write_bytes((files / "s.tif").read_bytes()[:200])
    result = run(files, "-b", "1,2,3", scene="bad.tif")
    assert result.exit_code == 3
    assert result.stderr.startswith("Error: ")
    assert not (files / "o.tif").exists()


def test_an_output_that_exists_is_a_usage_error(files):
    (files / "o.tif").write_text("mine")
    assert run(files, "-b", "1,2,3").exit_code == 2
    assert run(files, "-b", "1,2,3", "--overwrite").exit_code == 0


@pytest.mark.parametrize("bounds", [["0 30 20 60"], ["0", "30", "20", "60"], ["0,30,20,60"]])
def test_bounds_are_one_word_or_four(files, bounds):
    result = run(files, "-b", "1,2,3", "--bounds", *bounds, "--json")
    assert result.exit_code == 0, result.stderr
    values = json.loads(result.stdout)["scenes"][0]
    assert (values["height"], values["width"]) == (30, 20)


@pytest.mark.parametrize(
    "options",
    [
        ("--bounds", "a b c d"),
        ("--bounds", "1 2 3"),
        ("--co", "COMPRESS"),
        ("--co", "COMPRES=ZSTD"),
        ("--tta", "all"),
        ("--max-memory", "much"),
        ("--bounds", "0 0 1 1", "--area", "a.gpkg"),
    ],
)
def test_options_that_make_no_sense_are_usage_errors(files, options):
    result = run(files, "-b", "1,2,3", *options)
    assert result.exit_code == 2, result.stderr
    assert "Traceback" not in result.stderr
    assert not (files / "o.tif").exists()


def test_the_end_tells_what_ran_and_how_fast(files):
    values = json.loads(run(files, "-b", "1,2,3", "--co", "compress=zstd", "--json").stdout)
    keys = {"windows", "mpx_per_s", "engine", "precision", "device", "workers", "peak_memory_mb", "overlap_overhead"}
    assert keys | {"resumed_at_row"} <= set(values)
