"""Overland in the QGIS Processing toolbox: map a raster layer with a model, and maybe vectorise the map.

Processing toolbox > Scripts > Add Script to Toolbox..., and choose this file. It calls the command `overland`, which
is installed in an environment of its own, so nothing is installed into QGIS. It needs QGIS 3.22 or newer.
"""

# ruff: noqa: N802 - QGIS gives the methods their names
from __future__ import annotations

import json
import os
import queue
import re
import shutil
import signal
import subprocess
import threading
from pathlib import Path

from qgis.core import (
    QgsPalettedRasterRenderer,
    QgsProcessing,
    QgsProcessingAlgorithm,
    QgsProcessingException,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFile,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorDestination,
    QgsRasterLayer,
    QgsSettings,
)

KINDS = ["polygons", "roads"]
COMMAND_SETTING = "overland/command"
PROGRESS = re.compile(r": (?P<done>[\d.e+]+) of (?P<total>[\d.e+]+) \S+,")
# QGIS sets these for its own Python, GDAL and PROJ; those of Overland must not see them.
FOREIGN_VARIABLES = ("PYTHONHOME", "PYTHONPATH", "GDAL_DATA", "GDAL_DRIVER_PATH", "PROJ_LIB", "PROJ_DATA")
POLL_S = 0.2
STOP_S = 10


class OverlandAlgorithm(QgsProcessingAlgorithm):
    """Run `overland predict`, then `overland vectorize` where a vector layer is asked for."""

    def createInstance(self):
        """Return a copy for QGIS to run."""
        return OverlandAlgorithm()

    def name(self):
        """Return the id in models and scripts: `script:overland_predict`."""
        return "overland_predict"

    def displayName(self):
        """Return the name in the toolbox."""
        return "Map a raster with a model (Overland)"

    def group(self):
        """Return the heading in the toolbox."""
        return "Overland"

    def groupId(self):
        """Return the id of the heading."""
        return "overland"

    def shortHelpString(self):
        """Return the help of the dialog."""
        return (
            "Writes the class of each pixel of a raster layer, with class names and colours, and optionally its "
            "polygons or road network.\n\n"
            "Model: the folder of a trained model (it holds overland.json). Threshold: smallest probability of the "
            "class, for models of two classes; empty takes the tuned one. Command: the program overland with its "
            "path, if QGIS does not find it by itself; it is remembered."
        )

    def initAlgorithm(self, config=None):
        """Declare inputs and outputs."""
        self.addParameter(QgsProcessingParameterRasterLayer("INPUT", "Raster layer"))
        folder = QgsProcessingParameterFile("MODEL", "Model folder", behavior=QgsProcessingParameterFile.Folder)
        self.addParameter(folder)
        number = QgsProcessingParameterNumber.Double
        self.addParameter(
            QgsProcessingParameterNumber("THRESHOLD", "Threshold", number, None, True, minValue=0, maxValue=1)
        )
        self.addParameter(QgsProcessingParameterString("BANDS", "Bands, such as 1,2,3", optional=True))
        self.addParameter(QgsProcessingParameterEnum("KIND", "Vectors are", KINDS, defaultValue=0))
        self._add_command_parameter()
        self.addParameter(QgsProcessingParameterRasterDestination("OUTPUT", "Class map"))
        self.addParameter(
            QgsProcessingParameterVectorDestination(
                "VECTOR", "Vectors", QgsProcessing.TypeVector, optional=True, createByDefault=False
            )
        )

    def _add_command_parameter(self):
        remembered = str(QgsSettings().value(COMMAND_SETTING, "overland"))
        command = QgsProcessingParameterString("COMMAND", "Command", defaultValue=remembered)
        command.setFlags(command.flags() | QgsProcessingParameterDefinition.FlagAdvanced)
        self.addParameter(command)

    def processAlgorithm(self, parameters, context, feedback):
        """Run the command line and hand its files to QGIS."""
        command = self._command(parameters, context)
        scene = self._scene(parameters, context)
        mask = self.parameterAsOutputLayer(parameters, "OUTPUT", context)
        vector = self.parameterAsOutputLayer(parameters, "VECTOR", context)
        mapped = 90 if vector else 100
        arguments = self._predict_arguments(parameters, context, scene, mask)
        found = run_overland([command, *arguments], feedback, 0, mapped)
        write_style(mask, found["class_fractions"])
        results = {"OUTPUT": mask}
        if vector:
            kind = KINDS[self.parameterAsEnum(parameters, "KIND", context)]
            run_overland([command, "vectorize", mask, vector, "--kind", kind, "--overwrite"], feedback, mapped, 100)
            results["VECTOR"] = vector
        QgsSettings().setValue(COMMAND_SETTING, command)
        return results

    def _command(self, parameters, context):
        asked = self.parameterAsString(parameters, "COMMAND", context).strip() or "overland"
        found = shutil.which(str(Path(asked).expanduser()))
        if found is None:
            raise QgsProcessingException(
                f"The command {asked} was not found. Install Overland (pip install overland) and give the program "
                "with its path under Advanced parameters > Command."
            )
        return found

    def _scene(self, parameters, context):
        layer = self.parameterAsRasterLayer(parameters, "INPUT", context)
        if layer is None:
            raise QgsProcessingException("The raster layer cannot be opened.")
        if layer.providerType() != "gdal":
            raise QgsProcessingException(
                f"Overland maps rasters that are files; {layer.name()} comes from {layer.providerType()}. "
                "Export it first: Layer > Save As..., GeoTIFF."
            )
        return layer.source()

    def _predict_arguments(self, parameters, context, scene, mask):
        model = self.parameterAsString(parameters, "MODEL", context)
        arguments = ["predict", model, scene, mask, "--overwrite"]
        if parameters.get("THRESHOLD") is not None:
            arguments += ["--threshold", str(self.parameterAsDouble(parameters, "THRESHOLD", context))]
        bands = self.parameterAsString(parameters, "BANDS", context).strip()
        if bands:
            arguments += ["--bands", bands]
        return arguments


def run_overland(command, feedback, first, last):
    """Run an Overland command with --json and give what it prints as a dict.

    Its progress moves the bar from percent `first` to `last`. Cancelling in QGIS ends the program. Raises
    `QgsProcessingException` with Overland's own message when it fails.
    """
    feedback.pushCommandInfo(" ".join(command))
    process = subprocess.Popen(
        [*command, "--json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        env={key: value for key, value in os.environ.items() if key not in FOREIGN_VARIABLES},
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
    output, lines = _read_in_background(process.stdout), _read_in_background(process.stderr)
    _follow(process, lines, feedback, first, last)
    printed = "".join(_drain(output))
    returncode = process.wait()
    if feedback.isCanceled():
        raise QgsProcessingException("Cancelled; the output was not written.")
    return _result(returncode, printed, feedback)


def _read_in_background(stream):
    lines = queue.Queue()

    def read():
        with stream:
            for line in stream:
                lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    return lines


def _follow(process, lines, feedback, first, last):
    while not feedback.isCanceled():
        try:
            line = lines.get(timeout=POLL_S)
        except queue.Empty:
            continue
        if line is None:
            return
        progress = PROGRESS.search(line)
        if progress:
            done = float(progress["done"]) / float(progress["total"])
            feedback.setProgress(first + (last - first) * min(done, 1))
        feedback.pushInfo(line.rstrip())
    _stop(process)


def _stop(process):
    if os.name == "nt":
        process.terminate()
    else:
        process.send_signal(signal.SIGINT)  # as Ctrl-C does: Overland then takes away what is half-written
    try:
        process.wait(timeout=STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()


def _drain(lines):
    while True:
        line = lines.get()
        if line is None:
            return
        yield line


def _result(returncode, output, feedback):
    try:
        values = json.loads(output)
    except ValueError:
        raise QgsProcessingException(f"overland ended with code {returncode} and printed no result.") from None
    if returncode or "error" in values:
        raise QgsProcessingException(values.get("error", f"overland ended with code {returncode}."))
    feedback.pushInfo(json.dumps(values, ensure_ascii=False))
    return values


def write_style(mask, class_names):
    """Write the style that QGIS loads with a class map: its classes alone.

    A palette in a TIFF has 256 entries, and QGIS would list them all.
    """
    layer = QgsRasterLayer(mask, "map")
    if layer.renderer() is None or layer.renderer().type() != "paletted":
        return
    classes = [item for item in layer.renderer().classes() if item.value < len(class_names)]
    layer.setRenderer(QgsPalettedRasterRenderer(layer.dataProvider(), 1, classes))
    layer.saveNamedStyle(str(Path(mask).with_suffix(".qml")))
