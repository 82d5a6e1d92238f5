"""The QGIS plugin: its zip always, its algorithms in QGIS itself where OVERLAND_PYQGIS names QGIS's Python."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from models_made import ranking_bundle
from scenes import utm_grid, write_image

QGIS = Path(__file__).parents[2] / "integrations" / "qgis"
OVERLAND = Path(sys.executable).parent / "overland"
PYQGIS = os.environ.get("OVERLAND_PYQGIS")


def builder():
    spec = importlib.util.spec_from_file_location("build_plugin", QGIS / "build_plugin.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_zip_has_one_folder_with_text_files_and_the_version_asked_for(tmp_path):
    names = builder().build(tmp_path / "plugin.zip", "1.2.3")
    assert {name.split("/")[0] for name in names} == {"overland"}
    assert {Path(name).suffix for name in names} == {".py", ".txt", ".svg", ""}
    assert {"overland/__init__.py", "overland/metadata.txt", "overland/LICENSE"} <= set(names)
    with zipfile.ZipFile(tmp_path / "plugin.zip") as archive:
        assert "\nversion=1.2.3\n" in archive.read("overland/metadata.txt").decode()
        assert sum(item.file_size for item in archive.infolist()) < 200_000


def test_metadata_without_a_required_line_is_refused(tmp_path, monkeypatch):
    module = builder()
    monkeypatch.setattr(module, "REQUIRED", ("name", "noSuchLine"))
    with pytest.raises(ValueError, match="noSuchLine"):
        module.build(tmp_path / "plugin.zip")


def test_the_plugin_compiles_and_imports_nothing_of_overland():
    for path in (QGIS / "overland").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        compile(text, str(path), "exec")
        assert "import overland" not in text
        assert "from overland" not in text


RUN = """
import json, sys
sys.path[:0] = ["/usr/share/qgis/python/plugins", {plugin!r}]
from qgis.core import QgsApplication, QgsRasterLayer, QgsSettings, QgsVectorLayer
application = QgsApplication([], False)
application.initQgis()
from processing.core.Processing import Processing
import processing
Processing.initialize()
QgsSettings().setValue("overland/command", {command!r})
from overland.plugin import OverlandPlugin
plugin = OverlandPlugin(None)
plugin.initProcessing()
out = {out!r}
choices = QgsApplication.processingRegistry().algorithmById("overland:map").parameterDefinition("MODEL").options()
whole = {{"INPUT": {scene!r}, "MODEL": len(choices) - 1, "FOLDER": {model!r}, "OUTPUT": out + "/map.tif"}}
done = processing.run("overland:map", {{**whole, "VECTOR": out + "/land.gpkg", "KIND": 0}})
part = processing.run("overland:map", {{**whole, "EXTENT": {extent!r}, "OUTPUT": out + "/part.tif"}})
table = processing.run("overland:areas", {{"INPUT": out + "/map.tif", "OUTPUT": out + "/areas.csv"}})
raster = QgsRasterLayer(out + "/map.tif", "map")
small = QgsRasterLayer(out + "/part.tif", "part")
vector = QgsVectorLayer(out + "/land.gpkg", "land", "ogr")
print("RESULT" + json.dumps({{
    "choices": choices,
    "classes": [[item.label, item.color.alpha()] for item in raster.renderer().classes()],
    "part": [small.width(), small.height()],
    "renderer": vector.renderer().type(),
    "features": vector.featureCount(),
    "table": open(out + "/areas.csv").read().splitlines()[0],
}}), flush=True)
import os
os._exit(0)
"""


@pytest.mark.skipif(not PYQGIS, reason="OVERLAND_PYQGIS does not name QGIS's Python")
def test_layer_part_and_areas_in_qgis_itself(tmp_path):
    model = ranking_bundle(tmp_path / "model").path
    pixels = np.random.default_rng(0).integers(0, 256, (3, 60, 80), dtype=np.uint8)
    grid = utm_grid(60, 80)
    scene = write_image(tmp_path / "scene.tif", pixels, grid)
    left, _, right, top = grid.bounds
    size = (right - left) / 80
    extent = f"{left},{left + 20 * size},{top - 30 * size},{top} [{grid.crs}]"
    code = RUN.format(
        plugin=str(QGIS), command=str(OVERLAND), out=str(tmp_path), scene=str(scene), model=str(model), extent=extent
    )
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "HOME": str(tmp_path)}
    done = subprocess.run([PYQGIS, "-c", code], capture_output=True, text=True, timeout=600, env=environment)
    line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT")), None)
    assert line, done.stdout + done.stderr
    found = json.loads(line.removeprefix("RESULT"))
    assert "roads" in found["choices"]
    assert found["part"] == [20, 30]
    assert found["renderer"] == "categorizedSymbol"
    assert found["features"] > 0
    assert found["table"].startswith("class,name")
    assert len(found["classes"]) == 3
