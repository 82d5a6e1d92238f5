"""A bundle as one ONNX file that the QGIS plugin Deepness maps with.

Deepness 0.6 cuts the layer into square tiles, divides the pixels by 255, takes `standardization_mean` off, divides by
`standardization_std`, runs the network and reads its output as probabilities: with one channel a pixel is class 1 from
`seg_thresh` up, with several those below it are put to zero and the largest wins. What it needs to know is read from
the file's metadata. Source: https://github.com/PUTvision/qgis-plugin-deepness, `processing/models`,
`processing/map_processor`.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from overland.bundle import ModelBundle
from overland.errors import DataError, UsageError, import_extra
from overland.exporters.graphs import whole_graph

__all__ = ["DEEPNESS_DTYPES", "deepness_graph", "deepness_metadata", "overlap_percent_of"]

DEEPNESS_DTYPES = ("uint8", "uint16", "int16")
"""Pixels that Deepness reads as they are stored; float layers fail in it."""

# What ONNX Runtime 1.17 reads, which Deepness pins.
_NEWEST_OPSET = 20
_NEWEST_IR = 9
_LARGEST_OVERLAP_PERCENT = 90


def deepness_graph(
    bundle: ModelBundle, *, tile_size: int = 512, overlap_percent: int | None = None, graph: Path | None = None
) -> bytes:
    """Serialise a bundle's network for Deepness: tiles (batch, bands, tile_size, tile_size) to probabilities.

    Args:
        bundle: The bundle.
        tile_size: Side of the tiles in pixels.
        overlap_percent: Overlap of neighbouring tiles in percent of a tile; by default twice the bundle's halo.
        graph: Another ONNX file of the same network (the int8 one); the bundle's own by default.

    Returns:
        The content of the ONNX file.

    Raises:
        DataError: Deepness would map wrongly with this model.
        UsageError: The network cannot take such tiles.
        MissingExtraError: The package onnx is not installed.
    """
    if bundle.dtype not in DEEPNESS_DTYPES:
        raise DataError(
            f"This model maps {bundle.dtype} imagery; Deepness reads layers of {', '.join(DEEPNESS_DTYPES)} alone. "
            "Map with `overland predict`, which the QGIS Processing script calls."
        )
    divisor = bundle.size_divisor
    if tile_size < divisor or tile_size % divisor:
        nearest = max(divisor, round(tile_size / divisor) * divisor)
        raise UsageError(f"Tiles of this model are multiples of {divisor} pixels; got {tile_size}, try {nearest}.")
    metadata = deepness_metadata(bundle, tile_size, overlap_percent)
    onnx = import_extra("onnx", "train", "Exporting to ONNX")
    model = onnx.load_model_from_string(whole_graph(bundle) if graph is None else graph.read_bytes())
    opset = max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if opset > _NEWEST_OPSET:
        raise DataError(
            f"The graph is of ONNX opset {opset}; Deepness reads at most {_NEWEST_OPSET}. "
            "Overland's own training writes opset 17."
        )
    model.ir_version = min(model.ir_version, _NEWEST_IR)
    # What was inferred of the layers between speaks of free sides; the runtime infers it again.
    del model.graph.value_info[:]
    for value in (model.graph.input[0], model.graph.output[0]):
        for axis in (2, 3):
            value.type.tensor_type.shape.dim[axis].dim_value = tile_size
    logits = model.graph.output[0]
    kind, settings = ("Sigmoid", {}) if bundle.activation == "sigmoid" else ("Softmax", {"axis": 1})
    model.graph.node.append(onnx.helper.make_node(kind, [logits.name], ["probabilities"], **settings))
    logits.name = "probabilities"
    logits.type.tensor_type.shape.dim[1].dim_value = bundle.num_outputs
    for name, content in metadata.items():
        model.metadata_props.add(key=name, value=json.dumps(content, ensure_ascii=False))
    onnx.checker.check_model(model)
    serialized: bytes = model.SerializeToString()
    return serialized


def deepness_metadata(bundle: ModelBundle, tile_size: int, overlap_percent: int | None = None) -> dict[str, Any]:
    """Return the metadata that Deepness reads from the file, by its keys.

    Args:
        bundle: The bundle.
        tile_size: Side of the tiles in pixels.
        overlap_percent: Overlap of neighbouring tiles in percent of a tile; by default twice the bundle's halo.

    Returns:
        Values by key; the plugin wants each of them as JSON.

    Raises:
        UsageError: The overlap is not between 0 and 90 percent.
    """
    overlap_percent = overlap_percent_of(bundle, tile_size) if overlap_percent is None else overlap_percent
    if not 0 <= overlap_percent <= _LARGEST_OVERLAP_PERCENT:
        raise UsageError(
            f"Tiles overlap by 0 to {_LARGEST_OVERLAP_PERCENT} %; got {overlap_percent}. Try a larger --tile-size."
        )
    if bundle.num_outputs > 1:
        # Deepness would put a pixel whose best class is below it to class 0.
        threshold = 0.0
    else:
        # Its field holds two decimals, and at 0 it would call every pixel class 1.
        threshold = max(round(0.5 if bundle.threshold is None else bundle.threshold, 2), 0.01)
    metadata = {
        "model_type": "Segmentor",
        "class_names": {str(index): name for index, name in enumerate(bundle.legend.names)},
        "standardization_mean": [mean / 255 for mean in bundle.mean],
        "standardization_std": [std / 255 for std in bundle.std],
        "seg_thresh": threshold,
        "seg_small_segment": 0,
        "tile_size": tile_size,
        "tiles_size": tile_size,
        "tiles_overlap": overlap_percent,
    }
    if bundle.resolution_m is not None:
        metadata["resolution"] = round(100 * bundle.resolution_m, 3)
    return metadata


def overlap_percent_of(bundle: ModelBundle, tile_size: int) -> int:
    """Return the overlap of neighbouring tiles with which a halo is cut off at each of their sides.

    Args:
        bundle: The bundle, which knows its halo.
        tile_size: Side of the tiles in pixels.

    Returns:
        Whole percent of a tile.
    """
    return math.ceil(200 * bundle.halo / tile_size)
