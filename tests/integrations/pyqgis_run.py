"""Run by a Python that has QGIS: the Processing script in QGIS itself, without a screen.

    python pyqgis_run.py SCRIPT COMMAND MODEL SCENE FOLDER

The script is put where QGIS keeps those that are added to the toolbox. It runs as an algorithm, then as a step of a
model. Prints one JSON object: what it said, and how QGIS reads its outputs.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

script, command, bundle, scene, folder = sys.argv[1:]
os.environ["QGIS_CUSTOM_CONFIG_PATH"] = folder

from qgis.core import (
    QgsApplication,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelOutput,
    QgsProcessingModelParameter,
    QgsProcessingParameterRasterLayer,
    QgsRasterLayer,
    QgsVectorLayer,
)

application = QgsApplication([], False)
application.initQgis()
sys.path.append(str(Path(QgsApplication.pkgDataPath()) / "python" / "plugins"))

import processing
from processing.core.Processing import Processing
from processing.script.ScriptUtils import defaultScriptsFolder


def raster_values(path):
    """How QGIS shows a class map: size, CRS, and the classes with the style that lies beside it."""
    layer = QgsRasterLayer(path, "map")
    layer.loadDefaultStyle()
    return {
        "grid": [layer.crs().authid(), layer.width(), layer.height()],
        "classes": {item.label: item.color.name() for item in layer.renderer().classes()},
    }


def run_as_model(parameters, output):
    """The script as the one step of a model whose input is the scene."""
    child = QgsProcessingModelChildAlgorithm("script:overland_predict")
    child.setChildId("predict")
    for name, value in parameters.items():
        child.addParameterSources(name, [QgsProcessingModelChildParameterSource.fromStaticValue(value)])
    child.addParameterSources("INPUT", [QgsProcessingModelChildParameterSource.fromModelParameter("scene")])
    result = QgsProcessingModelOutput("map")
    result.setChildId("predict")
    result.setChildOutputName("OUTPUT")
    child.setModelOutputs({"map": result})
    model = QgsProcessingModelAlgorithm("Map", "Overland")
    model.addModelParameter(QgsProcessingParameterRasterLayer("scene"), QgsProcessingModelParameter("scene"))
    model.addChildAlgorithm(child)
    feedback = QgsProcessingFeedback(False)
    _, succeeded = model.run({"scene": scene, "predict:map": output}, QgsProcessingContext(), feedback)
    return succeeded, feedback.textLog()


os.environ.pop("PYTHONPATH", None)
Path(defaultScriptsFolder()).mkdir(parents=True, exist_ok=True)
shutil.copy(script, defaultScriptsFolder())
Processing.initialize()
options = {"MODEL": bundle, "COMMAND": command}
results = processing.run(
    "script:overland_predict",
    {**options, "INPUT": scene, "KIND": 0, "OUTPUT": f"{folder}/map.tif", "VECTOR": f"{folder}/land.gpkg"},
)
vector = QgsVectorLayer(results["VECTOR"], "land")
succeeded, log = run_as_model(options, f"{folder}/modelled.tif")
found = {
    "results": results,
    "map": raster_values(results["OUTPUT"]),
    "vectors": [vector.isValid(), vector.featureCount()],
    "model": [succeeded, log],
    "modelled": raster_values(f"{folder}/modelled.tif") if succeeded else None,
}
print(json.dumps(found))
sys.stdout.flush()
os._exit(0)  # QGIS without a screen does not always come to an end
