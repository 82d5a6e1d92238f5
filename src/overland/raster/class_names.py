"""Class names next to rasters: in GDAL's side files, in a VRT, in a raster attribute table; read and written.

GDAL keeps the class names of a GeoTIFF or a PNG in `<file>.aux.xml`, where QGIS looks for them, either as categories or
as a table that others (ArcGIS, the land-cover products) write. A VRT has both in itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

from overland.errors import DataError
from overland.legend import IGNORE_INDEX, Color, Legend, legend_from_names

__all__ = ["read_legend", "write_class_names"]

# Usages of a column in GDAL's attribute tables.
_NAME, _VALUES, _COLORS = "2", ("5", "3"), ("6", "7", "8")
_VALUE_NAMES = {"value", "id", "class", "class_id", "code"}
_LABEL_NAMES = {"class_name", "classname", "class_names", "name", "label", "description", "category"}


def read_legend(path: str, palette: Mapping[int, Color] | None) -> Legend | None:
    """Read the legend that is stored with a class map.

    Args:
        path: The raster.
        palette: Its colour table, None without one.

    Returns:
        The legend: classes without a name are called "class 3", names that several ids share get the id behind them.
        None when no names are stored.

    Raises:
        DataError: When the side file cannot be read.
    """
    stored: dict[int, str] = {}
    colors: dict[int, Color] = dict(palette or {})
    # The first band in the side file, and in the file itself where it is a VRT.
    found = []
    for file, tag in ((Path(f"{path}.aux.xml"), "PAMRasterBand"), (Path(path), "VRTRasterBand")):
        if not file.is_file() or (tag == "VRTRasterBand" and file.suffix.lower() != ".vrt"):
            continue
        try:
            found += ElementTree.parse(file).findall(f"{tag}[@band='1']")
        except ElementTree.ParseError as error:
            raise DataError(
                f"{file} holds the class names and cannot be read ({error}); delete it or write it again."
            ) from error
    for band in found:
        categories = [(element.text or "").strip() for element in band.findall("CategoryNames/Category")]
        if any(categories):
            stored = dict(enumerate(categories))
            break
        table = band.find("GDALRasterAttributeTable")
        if table is not None:
            stored, of_table = _read_table(table)
            colors = colors or of_table
            if stored:
                break
    known = {index: name for index, name in stored.items() if name and 0 <= index < IGNORE_INDEX}
    if not known:
        return None
    given = [known.get(index, "") or f"class {index}" for index in range(max(known) + 1)]
    counts, names = Counter(given), list[str]()
    for index, name in enumerate(given):
        own = name if counts[name] == 1 else f"{name} ({index})"
        while own in names or (own != name and own in counts):
            own = f"{own} ({index})"
        names.append(own)
    return legend_from_names(names, [colors.get(index, (0, 0, 0)) for index in range(len(names))] if colors else None)


def write_class_names(metadata: Path, sidecar: Path, legend: Legend | None) -> None:
    """Put the class names of a map next to it, in one file with GDAL's own metadata (a PNG's place on the ground).

    Args:
        metadata: The side file that GDAL wrote, or did not; it takes the names and is renamed.
        sidecar: The side file of the map, which is replaced, or removed where there is nothing to say.
        legend: The names; None for a raster that has none.
    """
    root = ElementTree.parse(metadata).getroot() if metadata.exists() else ElementTree.Element("PAMDataset")
    if legend is not None:
        band = root.find("PAMRasterBand")
        band = ElementTree.SubElement(root, "PAMRasterBand", band="1") if band is None else band
        categories = ElementTree.SubElement(band, "CategoryNames")
        for name in legend.names:
            ElementTree.SubElement(categories, "Category").text = name
    if len(root) == 0:
        sidecar.unlink(missing_ok=True)
        return
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(metadata, encoding="utf-8")
    metadata.replace(sidecar)


def _read_table(table: ElementTree.Element) -> tuple[dict[int, str], dict[int, Color]]:
    columns = [
        (column.findtext("Name", "").strip().lower(), column.findtext("Usage", "0"))
        for column in table.findall("FieldDefn")
    ]
    name = _column(columns, (_NAME,), _LABEL_NAMES)
    value = _column(columns, _VALUES, _VALUE_NAMES)
    reds = [_column(columns, (usage,), set()) for usage in _COLORS]
    names: dict[int, str] = {}
    colors: dict[int, Color] = {}
    for number, row in enumerate(table.findall("Row")):
        fields = [(field.text or "").strip() for field in row.findall("F")]
        try:
            index = number if value is None else round(float(fields[value]))
            if name is not None:
                names[index] = fields[name]
            if None not in reds:
                red, green, blue = (round(float(fields[column])) for column in reds if column is not None)
                colors[index] = (red, green, blue)
        except (IndexError, ValueError):
            continue
    return names, colors


def _column(columns: Sequence[tuple[str, str]], usages: Sequence[str], names: set[str]) -> int | None:
    by_usage = [number for usage in usages for number, column in enumerate(columns) if column[1] == usage]
    by_name = [number for number, column in enumerate(columns) if column[0] in names]
    return next(iter([*by_usage, *by_name]), None)
