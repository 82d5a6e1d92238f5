"""The algorithms of the Processing provider: map a layer, vectorise a map, measure areas, install Overland."""

import tempfile
from pathlib import Path

from qgis.core import (
    QgsProcessing,
    QgsProcessingAlgorithm,
    QgsProcessingException,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterExtent,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorDestination,
    QgsProcessingParameterVectorLayer,
    QgsRasterFileWriter,
    QgsRasterPipe,
    QgsSettings,
)

from .command import PACKAGE_SETTING, install, run_overland
from .models import card_of, pretrained_models
from .styles import style_map, style_vectors

KINDS = ["polygons", "roads"]
OWN_FOLDER = "a folder of my own"
# A web layer is fetched in one picture; QGIS asks the server for it tile by tile.
LARGEST_WEB_PIXELS = 8000


class OverlandAlgorithm(QgsProcessingAlgorithm):
    """The parts that all algorithms share."""

    ID, TITLE, HELP = "", "", ""

    def createInstance(self):  # noqa: N802
        """Give QGIS a copy to run."""
        return type(self)()

    def name(self):
        """Return the id in models and scripts, after `overland:`."""
        return self.ID

    def displayName(self):  # noqa: N802
        """Return the name in the toolbox."""
        return self.TITLE

    def shortHelpString(self):  # noqa: N802
        """Return the text beside the dialog."""
        return self.HELP

    def advanced(self, parameter):
        """Add a parameter that stands folded away under Advanced."""
        parameter.setFlags(parameter.flags() | QgsProcessingParameterDefinition.FlagAdvanced)
        self.addParameter(parameter)


class MapLayer(OverlandAlgorithm):
    """Run `overland predict`, then `overland vectorize` where a vector layer is asked for."""

    ID, TITLE = "map", "Map this layer"

    def shortHelpString(self):  # noqa: N802
        """Return the text beside the dialog, with the cards of the models."""
        text = (
            "Writes the class of each pixel of a raster layer, with names and colours, and on request its polygons or "
            "its road network. The layer may be a file or a web layer; of a web layer give an extent.\n\n"
        )
        return text + "".join(card_of(model) for model in pretrained_models())

    def initAlgorithm(self, config=None):  # noqa: N802
        """Declare inputs and outputs."""
        self.models = [model["name"] for model in pretrained_models()]
        self.addParameter(QgsProcessingParameterRasterLayer("INPUT", "Raster layer"))
        self.addParameter(QgsProcessingParameterEnum("MODEL", "Model", [*self.models, OWN_FOLDER], defaultValue=0))
        folder = QgsProcessingParameterFile.Folder
        self.addParameter(QgsProcessingParameterFile("FOLDER", "Folder of the model", folder, optional=True))
        self.addParameter(QgsProcessingParameterExtent("EXTENT", "Only this part", optional=True))
        number = QgsProcessingParameterNumber.Double
        self.addParameter(
            QgsProcessingParameterNumber("THRESHOLD", "Threshold", number, None, True, minValue=0, maxValue=1)
        )
        self.advanced(QgsProcessingParameterString("BANDS", "Bands, such as 1,2,3", optional=True))
        self.addParameter(QgsProcessingParameterEnum("KIND", "Vectors are", KINDS, defaultValue=0))
        self.addParameter(QgsProcessingParameterRasterDestination("OUTPUT", "Class map"))
        self.addParameter(
            QgsProcessingParameterVectorDestination(
                "VECTOR", "Vectors", QgsProcessing.TypeVector, optional=True, createByDefault=False
            )
        )

    def processAlgorithm(self, parameters, context, feedback):  # noqa: N802
        """Run the commands and hand their files to QGIS."""
        mask = self.parameterAsOutputLayer(parameters, "OUTPUT", context)
        vector = self.parameterAsOutputLayer(parameters, "VECTOR", context)
        part = 90 if vector else 100
        with tempfile.TemporaryDirectory(prefix="overland-") as folder:
            source, bounds = self._source(parameters, context, Path(folder), feedback)
            arguments = ["predict", self._model(parameters, context), source, mask, "--overwrite", *bounds]
            if parameters.get("THRESHOLD") is not None:
                arguments += ["--threshold", str(self.parameterAsDouble(parameters, "THRESHOLD", context))]
            if bands := self.parameterAsString(parameters, "BANDS", context).strip():
                arguments += ["--bands", bands]
            found = run_overland(arguments, feedback, 0, part)
        style_map(mask, list(found["class_fractions"]))
        if not vector:
            return {"OUTPUT": mask}
        kind = KINDS[self.parameterAsEnum(parameters, "KIND", context)]
        run_overland(["vectorize", mask, vector, "--kind", kind, "--overwrite"], feedback, part, 100)
        if vector.lower().endswith(".gpkg"):
            style_vectors(vector)
        return {"OUTPUT": mask, "VECTOR": vector}

    def _model(self, parameters, context):
        chosen = self.parameterAsEnum(parameters, "MODEL", context)
        if chosen < len(self.models):
            return self.models[chosen]
        folder = self.parameterAsString(parameters, "FOLDER", context).strip()
        if not folder:
            raise QgsProcessingException(f"With {OWN_FOLDER!r} as the model, choose it under Folder of the model.")
        return folder

    def _source(self, parameters, context, folder, feedback):
        """Return the file to map and the options of its part; a web layer is fetched to a file first."""
        layer = self.parameterAsRasterLayer(parameters, "INPUT", context)
        if layer is None:
            raise QgsProcessingException("The raster layer cannot be opened.")
        extent = self.parameterAsExtent(parameters, "EXTENT", context, layer.crs())
        if layer.providerType() == "gdal":
            if extent.isNull():
                return layer.source(), []
            corners = (extent.xMinimum(), extent.yMinimum(), extent.xMaximum(), extent.yMaximum())
            return layer.source(), ["--bounds", ",".join(f"{value:.9f}" for value in corners)]
        if extent.isNull():
            raise QgsProcessingException(
                f"{layer.name()} comes from {layer.providerType()}; say which part under 'Only this part', such as the "
                "canvas extent."
            )
        return str(self._fetched(layer, extent, folder / "layer.tif", context, feedback)), []

    def _fetched(self, layer, extent, path, context, feedback):
        size = _resolution(layer)
        columns, rows = (max(1, round(length / size)) for length in (extent.width(), extent.height()))
        if max(columns, rows) > LARGEST_WEB_PIXELS:
            raise QgsProcessingException(
                f"This part of {layer.name()} has {columns} x {rows} pixels; at most {LARGEST_WEB_PIXELS} a side are "
                "fetched."
            )
        feedback.pushInfo(f"Fetching {columns} x {rows} pixels of {layer.name()}.")
        pipe = QgsRasterPipe()
        if not pipe.set(layer.dataProvider().clone()):
            raise QgsProcessingException(f"{layer.name()} cannot be read.")
        writer = QgsRasterFileWriter(str(path))
        error = writer.writeRaster(pipe, columns, rows, extent, layer.crs(), context.transformContext())
        if error != QgsRasterFileWriter.NoError:
            raise QgsProcessingException(f"{layer.name()} could not be fetched (code {error}).")
        return path


def _resolution(layer):
    """Return the size of a pixel of a web layer in its units: its own, or half a metre where it has none."""
    size = layer.rasterUnitsPerPixelX()
    if size > 0 and layer.width() > 0:
        return size
    return 0.5 / 111_320 if layer.crs().isGeographic() else 0.5


class Vectorize(OverlandAlgorithm):
    """Run `overland vectorize`."""

    ID, TITLE = "vectorize", "Turn a class map into polygons or roads"
    HELP = "Polygons share their borders; roads become a connected network with length and width."

    def initAlgorithm(self, config=None):  # noqa: N802
        """Declare inputs and outputs."""
        self.addParameter(QgsProcessingParameterRasterLayer("INPUT", "Class map"))
        self.addParameter(QgsProcessingParameterEnum("KIND", "Vectors are", KINDS, defaultValue=0))
        self.addParameter(QgsProcessingParameterVectorDestination("OUTPUT", "Vectors", QgsProcessing.TypeVector))

    def processAlgorithm(self, parameters, context, feedback):  # noqa: N802
        """Run the command and hand its file to QGIS."""
        source = _file_of(self.parameterAsRasterLayer(parameters, "INPUT", context))
        output = self.parameterAsOutputLayer(parameters, "OUTPUT", context)
        kind = KINDS[self.parameterAsEnum(parameters, "KIND", context)]
        run_overland(["vectorize", source, output, "--kind", kind, "--overwrite"], feedback)
        if output.lower().endswith(".gpkg"):
            style_vectors(output)
        return {"OUTPUT": output}


class Areas(OverlandAlgorithm):
    """Run `overland areas`."""

    ID, TITLE = "areas", "Measure the area of each class"
    HELP = "The ground that each class of a class map covers, in all or in each zone, as a table (CSV)."

    def initAlgorithm(self, config=None):  # noqa: N802
        """Declare inputs and outputs."""
        self.addParameter(QgsProcessingParameterRasterLayer("INPUT", "Class map"))
        polygons = [QgsProcessing.TypeVectorPolygon]
        self.addParameter(QgsProcessingParameterVectorLayer("ZONES", "Zones", polygons, optional=True))
        self.addParameter(QgsProcessingParameterString("FIELD", "Field with the name of a zone", optional=True))
        self.addParameter(QgsProcessingParameterFileDestination("OUTPUT", "Table", "CSV (*.csv)"))

    def processAlgorithm(self, parameters, context, feedback):  # noqa: N802
        """Run the command and hand its table to QGIS."""
        output = self.parameterAsFileOutput(parameters, "OUTPUT", context)
        arguments = ["areas", _file_of(self.parameterAsRasterLayer(parameters, "INPUT", context))]
        arguments += ["-o", output, "--overwrite"]
        zones = self.parameterAsVectorLayer(parameters, "ZONES", context)
        if zones is not None:
            arguments += ["--zones", zones.source().split("|")[0]]
            if field := self.parameterAsString(parameters, "FIELD", context).strip():
                arguments += ["--zone-field", field]
        run_overland(arguments, feedback)
        return {"OUTPUT": output}


class Install(OverlandAlgorithm):
    """Install Overland into an environment of the plugin."""

    ID, TITLE = "install", "Install Overland"
    HELP = (
        "Makes an environment of its own in your QGIS profile and installs Overland there (about 700 MB). Package: "
        "what pip installs, such as overland, or a folder or wheel of it. An older environment is replaced."
    )

    def initAlgorithm(self, config=None):  # noqa: N802
        """Declare the inputs."""
        package = str(QgsSettings().value(PACKAGE_SETTING, "overland"))
        self.addParameter(QgsProcessingParameterString("PACKAGE", "Package", defaultValue=package))
        self.addParameter(
            QgsProcessingParameterBoolean("SPEED", "With the faster engine (OpenVINO)", defaultValue=True)
        )

    def processAlgorithm(self, parameters, context, feedback):  # noqa: N802
        """Install, and say where."""
        package = self.parameterAsString(parameters, "PACKAGE", context).strip() or "overland"
        extra = "[speed]" if self.parameterAsBoolean(parameters, "SPEED", context) else ""
        found = install(package + extra, feedback)
        QgsSettings().setValue(PACKAGE_SETTING, package)
        return {"COMMAND": found}


def _file_of(layer):
    if layer is None:
        raise QgsProcessingException("The raster layer cannot be opened.")
    if layer.providerType() != "gdal":
        raise QgsProcessingException(f"{layer.name()} is no file; it comes from {layer.providerType()}.")
    return layer.source()
