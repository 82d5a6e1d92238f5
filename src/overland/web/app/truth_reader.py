"""Reader of a user's labels, a process of its own: `python -m overland.web.app.truth_reader`, JSON in and out.

Uploads are decoded here, with GDAL hardened and memory limited as in the worker, never in the server.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from overland.bundle import load_bundle
from overland.datasets.label_mapping_choice import label_mapping_from_masks
from overland.datasets.masks import read_mask
from overland.errors import DataError, OverlandError
from overland.geo.alignment import check_same_grid
from overland.raster import open_scene, write_class_map
from overland.raster.plain_copy import read_facts
from overland.web.sandbox.hardening import harden_process, limit_memory

__all__ = ["main", "read_truth"]


def main() -> None:
    """Answer the request on stdin with one JSON object on stdout."""
    harden_process()
    request = json.loads(sys.stdin.read())
    limit_memory(int(request.pop("memory_mb")))
    answer: dict[str, Any]
    try:
        answer = {"notes": read_truth(**request)}
    except MemoryError:
        answer = {"error": "The labels need more memory than is allowed here."}
    except OverlandError as error:
        answer = {"error": str(error).replace(request["upload"], "The label file")}
    sys.stdout.write(json.dumps(answer))


def read_truth(upload: str, driver: str, model: str, mask: str, output: str) -> list[str]:
    """Read labels (ids, 0 and 255, colours, palettes) and write them as a class map on the mask's grid.

    Args:
        upload: The file that the user sent.
        driver: GDAL's name of its format.
        model: The bundle that made the map.
        mask: The map.
        output: The class map to write.

    Returns:
        Notes on what was decided by rule.

    Raises:
        DataError: The labels have another size or place, or values and colours that are no classes of the model.
    """
    legend = load_bundle(model).legend
    with open_scene(mask) as scene:
        grid = scene.grid
    facts = read_facts(Path(upload), driver)
    if (facts.height, facts.width) != (grid.height, grid.width):
        raise DataError(
            f"The labels have {facts.width} x {facts.height} pixels and the image {grid.width} x {grid.height}; "
            "both must show the same pixels."
        )
    raw = read_mask(upload)
    check_same_grid(grid, raw.grid, ("The image", "the labels"), advice="Warp the labels to the image's grid.")
    has_colors = raw.has_colors or raw.palette is not None
    colors = [(color, index) for index, color in enumerate(legend.colors)] if has_colors else None
    choice = label_mapping_from_masks([Path(upload)], legend, colors=colors)
    ids = choice.label_mapping.ids_from_mask(raw)
    write_class_map(output, np.ascontiguousarray(ids), grid, legend, overwrite=True)
    return [*choice.notes]


if __name__ == "__main__":
    main()
