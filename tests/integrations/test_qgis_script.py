"""The QGIS Processing script: with stand-ins for QGIS always, in QGIS itself where OVERLAND_PYQGIS names its Python."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from models_made import ranking_bundle, threshold_bundle
from overland.bundle import load_bundle
from overland.raster import open_scene
from qgis_made import SCRIPT, Feedback, Layer, ProcessingError, Settings, load_script
from scenes import utm_grid, write_image

OVERLAND = Path(sys.executable).parent / "overland"
needs_command = pytest.mark.skipif(not OVERLAND.exists(), reason="the command overland is not installed here")
needs_shell = pytest.mark.skipif(os.name == "nt", reason="the stand-in for the command is a shell script")


@pytest.fixture
def script(monkeypatch):
    return load_script(monkeypatch)


@pytest.fixture
def algorithm(script):
    algorithm = script.OverlandAlgorithm().createInstance()
    algorithm.initAlgorithm()
    return algorithm


@pytest.fixture
def values(tmp_path):
    model = ranking_bundle(tmp_path / "model").path
    pixels = np.random.default_rng(0).integers(0, 256, (3, 60, 80), dtype=np.uint8)
    scene = write_image(tmp_path / "scene.tif", pixels, utm_grid(60, 80))
    return {"INPUT": Layer(scene), "MODEL": model, "COMMAND": str(OVERLAND), "OUTPUT": tmp_path / "map.tif"}


def stand_in(path, body):
    path.write_text(f"#!{sys.executable}\nimport sys, time, json, os\n{body}\n")
    path.chmod(0o755)
    return str(path)


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@needs_command
def test_a_layer_becomes_a_class_map(algorithm, values, tmp_path):
    feedback = Feedback()
    assert algorithm.processAlgorithm(values, None, feedback) == {"OUTPUT": str(tmp_path / "map.tif")}
    with open_scene(tmp_path / "map.tif") as result:
        assert (result.height, result.width) == (60, 80)
    assert json.loads(feedback.lines[-1])["class_fractions"]
    assert Settings.kept == {"overland/command": str(OVERLAND)}


@needs_command
def test_vectors_are_made_where_asked_for(algorithm, values, tmp_path):
    found = algorithm.processAlgorithm({**values, "VECTOR": tmp_path / "land.gpkg", "KIND": 0}, None, Feedback())
    assert found == {"OUTPUT": str(tmp_path / "map.tif"), "VECTOR": str(tmp_path / "land.gpkg")}
    assert (tmp_path / "land.gpkg").is_file()


@needs_command
def test_threshold_and_bands_are_handed_on(algorithm, values, tmp_path):
    values["MODEL"] = threshold_bundle(tmp_path / "road", limit=0.0).path
    algorithm.processAlgorithm({**values, "THRESHOLD": 1.0, "BANDS": "2"}, None, feedback := Feedback())
    assert feedback.lines[0].endswith("--overwrite --threshold 1.0 --bands 2")


@needs_command
def test_what_overland_says_is_what_qgis_shows(algorithm, values, tmp_path):
    with pytest.raises(ProcessingError, match="is not a model bundle: it does not exist"):
        algorithm.processAlgorithm({**values, "MODEL": tmp_path / "none"}, None, Feedback())
    assert not (tmp_path / "map.tif").exists()
    assert Settings.kept == {}


def test_a_command_that_is_not_there_is_said(algorithm, values):
    with pytest.raises(ProcessingError, match="The command nowhere/overland was not found. Install Overland"):
        algorithm.processAlgorithm({**values, "COMMAND": "nowhere/overland"}, None, Feedback())


@needs_shell
def test_a_layer_that_is_no_file_is_refused(algorithm, values, tmp_path):
    command = stand_in(tmp_path / "overland", "")
    values = {**values, "COMMAND": command, "INPUT": Layer("url=https://tiles", provider="wms")}
    with pytest.raises(ProcessingError, match="scene comes from wms. Export it first"):
        algorithm.processAlgorithm(values, None, Feedback())


@needs_shell
def test_progress_moves_the_bar(script, tmp_path):
    lines = ["Predict a.tif: 4 of 16 Mpx, 1 Mpx/s, ETA 9 s", "a word", "Predict a.tif: 1.2e+01 of 16 Mpx, 1 Mpx/s, ETA"]
    command = stand_in(tmp_path / "overland", f"print({chr(10).join(lines)!r}, file=sys.stderr); print('{{}}')")
    feedback = Feedback()
    assert script.run_overland([command, "predict"], feedback, 50, 90) == {}
    assert feedback.progress == [60, 80]
    assert feedback.lines[1:4] == lines


@needs_shell
def test_cancelling_ends_the_command(script, tmp_path):
    body = "print(os.getpid(), 'begun', file=sys.stderr, flush=True); time.sleep(60); print('{}')"
    feedback = Feedback(cancel_at="begun")
    started = time.monotonic()
    with pytest.raises(ProcessingError, match="Cancelled"):
        script.run_overland([stand_in(tmp_path / "overland", body)], feedback, 0, 100)
    assert time.monotonic() - started < 30
    assert not is_running(int(feedback.lines[1].split()[0]))


@needs_shell
def test_a_command_that_dies_without_a_word_is_an_error(script, tmp_path):
    with pytest.raises(ProcessingError, match="ended with code 7 and printed no result"):
        script.run_overland([stand_in(tmp_path / "overland", "sys.exit(7)")], Feedback(), 0, 100)


@needs_shell
def test_qgis_does_not_lend_its_python_and_proj(script, tmp_path, monkeypatch):
    monkeypatch.setenv("PROJ_LIB", "/of/qgis")
    monkeypatch.setenv("OVERLAND_ENGINE", "onnx")
    command = stand_in(tmp_path / "overland", "print(json.dumps(dict(os.environ)))")
    found = script.run_overland([command], Feedback(), 0, 100)
    assert "PROJ_LIB" not in found
    assert found["OVERLAND_ENGINE"] == "onnx"


@needs_command
@pytest.mark.skipif("OVERLAND_PYQGIS" not in os.environ, reason="OVERLAND_PYQGIS names no Python (see make interop)")
def test_in_qgis_itself(values, tmp_path):
    run = Path(__file__).with_name("pyqgis_run.py")
    arguments = [str(SCRIPT), str(OVERLAND), str(values["MODEL"]), values["INPUT"].source(), str(tmp_path)]
    done = subprocess.run(
        [os.environ["OVERLAND_PYQGIS"], str(run), *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    expected = {"grid": ["EPSG:32633", 80, 60], "classes": expected_classes(values["MODEL"])}
    assert found["map"] == expected
    assert found["vectors"][0]
    assert found["model"][0], found["model"][1]
    assert found["modelled"] == expected


def expected_classes(model):
    legend = load_bundle(model).legend
    return {name: "#{:02x}{:02x}{:02x}".format(*color) for name, color in zip(legend.names, legend.colors, strict=True)}
