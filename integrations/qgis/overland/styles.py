"""Styles of results: a class map shows its classes alone, with a background that lets the photo through."""

from pathlib import Path

from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsLineSymbol,
    QgsPalettedRasterRenderer,
    QgsProperty,
    QgsRasterLayer,
    QgsRendererCategory,
    QgsSingleSymbolRenderer,
    QgsSymbol,
    QgsSymbolLayer,
    QgsVectorLayer,
)
from qgis.PyQt.QtGui import QColor

BACKGROUND = "background"
ROAD_COLOR = "#d9733f"
SEPARATOR = "!!::!!"  # between the parts of a sublayer, as QGIS writes them


def style_map(path, names):
    """Write the style of a class map beside it.

    Args:
        path: The class map.
        names: Names of its classes, in the order of their ids. A palette in a TIFF has 256 entries; the others go.
    """
    layer = QgsRasterLayer(path, "map")
    if layer.renderer() is None or layer.renderer().type() != "paletted":
        return
    classes = [item for item in layer.renderer().classes() if item.value < len(names)]
    for item in classes:
        if names[int(item.value)].lower() == BACKGROUND:
            item.color = QColor(0, 0, 0, 0)
    layer.setRenderer(QgsPalettedRasterRenderer(layer.dataProvider(), 1, classes))
    layer.saveNamedStyle(str(Path(path).with_suffix(".qml")))


def style_vectors(path):
    """Store a style in a GeoPackage of Overland: polygons by class, roads by confidence.

    Args:
        path: The GeoPackage.
    """
    for name in layers_of(path):
        layer = QgsVectorLayer(f"{path}|layername={name}", name, "ogr")
        fields = [field.name() for field in layer.fields()]
        if "class" in fields and layer.geometryType() == 2:
            layer.setRenderer(_by_class(layer, "name" if "name" in fields else "class"))
        elif layer.geometryType() == 1:
            layer.setRenderer(_roads(layer, fields))
        else:
            continue
        layer.saveStyleToDatabase("overland", "The style of Overland", True, "")


def layers_of(path):
    """Return the names of the layers of a vector file."""
    layer = QgsVectorLayer(path, "file", "ogr")  # kept, because its provider goes with it
    return [text.split(SEPARATOR)[1] for text in layer.dataProvider().subLayers()]


def _by_class(layer, field):
    index = layer.fields().indexFromName(field)
    categories = []
    for place, value in enumerate(sorted(layer.uniqueValues(index), key=str)):
        symbol = QgsSymbol.defaultSymbol(layer.geometryType())
        color = QColor.fromHsv(int(place * 137.5) % 360, 150, 200)
        color.setAlpha(140)
        symbol.setColor(color)
        categories.append(QgsRendererCategory(value, symbol, str(value)))
    return QgsCategorizedSymbolRenderer(field, categories)


def _roads(layer, fields):
    symbol = QgsLineSymbol.createSimple({"color": ROAD_COLOR, "width": "0.7", "capstyle": "round"})
    confidence = next((name for name in ("mean_probability", "probability", "confidence") if name in fields), None)
    if confidence:
        line = symbol.symbolLayer(0)
        faint = f'color_rgba(217, 115, 63, 80 + 175 * coalesce("{confidence}", 1))'
        line.setDataDefinedProperty(QgsSymbolLayer.PropertyStrokeColor, QgsProperty.fromExpression(faint))
    return QgsSingleSymbolRenderer(symbol)
