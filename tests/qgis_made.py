"""As much of `qgis.core` as the Processing script touches, so that it runs where QGIS is not installed."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

SCRIPT = Path(__file__).parents[1] / "integrations" / "qgis" / "overland_algorithm.py"


class Parameter:
    Folder, Double, FlagAdvanced = 1, 1, 2

    def __init__(self, name, *arguments, **options):
        self.name, self.options, self._flags = name, options, 0

    def flags(self):
        return self._flags

    def setFlags(self, flags):  # noqa: N802
        self._flags = flags


class Algorithm:
    def __init__(self):
        self.parameters = {}

    def addParameter(self, parameter):  # noqa: N802
        self.parameters[parameter.name] = parameter

    def parameterAsRasterLayer(self, values, name, context):  # noqa: N802
        return values[name]

    def parameterAsOutputLayer(self, values, name, context):  # noqa: N802
        return str(values.get(name) or "")

    def parameterAsString(self, values, name, context):  # noqa: N802
        return str(values.get(name) or self.parameters[name].options.get("defaultValue") or "")

    def parameterAsDouble(self, values, name, context):  # noqa: N802
        return float(values[name])

    def parameterAsEnum(self, values, name, context):  # noqa: N802
        return values.get(name, 0)


class Layer:
    """A raster layer; `provider` is "gdal" for a file."""

    def __init__(self, source, provider="gdal"):
        self._source, self._provider = str(source), provider

    def source(self):
        return self._source

    def name(self):
        return "scene"

    def providerType(self):  # noqa: N802
        return self._provider

    def renderer(self):
        return None  # the style is QGIS's own affair; pyqgis_run.py tests it


class Settings:
    kept: dict[str, str] = {}  # noqa: RUF012 - as QSettings, one for all

    def value(self, name, default):
        return self.kept.get(name, default)

    def setValue(self, name, value):  # noqa: N802
        self.kept[name] = value


class Feedback:
    """Notes what it is told, and is cancelled once it has heard `cancel_at`."""

    def __init__(self, cancel_at=None):
        self.progress, self.lines, self._cancel_at = [], [], cancel_at

    def setProgress(self, percent):  # noqa: N802
        self.progress.append(percent)

    def pushInfo(self, line):  # noqa: N802
        self.lines.append(line)

    pushCommandInfo = pushInfo  # noqa: N815

    def isCanceled(self):  # noqa: N802
        return self._cancel_at is not None and any(self._cancel_at in line for line in self.lines)


class ProcessingError(Exception):
    """Stands for QgsProcessingException."""


class _Names:
    TypeVector = 1


def load_script(monkeypatch):
    """Import the Processing script with the stand-ins for QGIS."""
    core = ModuleType("qgis.core")
    for kind in ("Definition", "Enum", "File", "Number", "RasterDestination", "RasterLayer", "String"):
        setattr(core, f"QgsProcessingParameter{kind}", Parameter)
    core.QgsProcessingParameterVectorDestination = Parameter
    core.QgsProcessing, core.QgsProcessingAlgorithm, core.QgsProcessingException = _Names, Algorithm, ProcessingError
    core.QgsRasterLayer, core.QgsSettings, core.QgsPalettedRasterRenderer = Layer, Settings, None
    monkeypatch.setitem(sys.modules, "qgis", ModuleType("qgis"))
    monkeypatch.setitem(sys.modules, "qgis.core", core)
    monkeypatch.setattr(Settings, "kept", {})
    spec = importlib.util.spec_from_file_location("overland_algorithm", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
