"""A class map back in a dataset's own values or colours, as its benchmark wants predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.datasets import Dataset, dataset_from_path
from overland.datasets.label_mapping import codes_of_ids, mask_from_ids
from overland.errors import DataError, UsageError
from overland.geo.grid import iter_windows
from overland.legend import IGNORE_INDEX, Legend
from overland.progress import track
from overland.raster import Scene, create_raster
from overland.raster.class_map import open_class_scene, read_ids
from overland.raster.write import check_output

__all__ = ["encode_mask"]

_BLOCK = 1024
_MEGA = 1e6

Ids = npt.NDArray[np.uint8]


def encode_mask(mask: str | Path, output: str | Path, *, like: str | Path, overwrite: bool = False) -> dict[str, Any]:
    """Write a class map in the coding of a dataset's own masks: label ids for Cityscapes, colours for DeepGlobe.

    Classes go by name where the map has names, else by id. Pixels without a class get what means "no label" in the
    dataset. Works block by block. Returns the coding and the size. Raises `DataError` when a class of the map is none
    of the dataset's, or when the dataset has no coding for it.
    """
    if Path(mask).resolve() == Path(output).resolve():
        raise UsageError(f"{output} is the input and would be overwritten; choose another output.")
    check_output(output, overwrite=overwrite)
    dataset = dataset_from_path(like)
    sample = mask_from_ids(dataset.label_mapping, np.zeros((1, 1), np.uint8))
    with open_class_scene(mask) as scene:
        places = _places(scene, dataset.legend)
        with (
            create_raster(
                output, scene.grid, count=len(sample), dtype=str(sample.dtype), overwrite=overwrite
            ) as writer,
            track(f"Encoding {Path(scene.path).name}", scene.height * scene.width / _MEGA, "Mpx") as advance,
        ):
            for window in iter_windows(scene.height, scene.width, _BLOCK):
                writer.write(mask_from_ids(dataset.label_mapping, places[read_ids(scene, window)]), window)
                advance(window.height * window.width / _MEGA)
        height, width = scene.height, scene.width
    coding = _coding(dataset)
    return {"mask": str(mask), "output": str(output), "like": str(like), "height": height, "width": width, **coding}


def _places(scene: Scene, legend: Legend) -> Ids:
    """The dataset's id of each id of the map."""
    places = np.arange(256, dtype=np.uint8)
    if scene.legend is None:
        return places
    unknown = [name for name in scene.legend.names if name not in legend.names]
    if unknown:
        raise DataError(
            f"{scene.path} has the class {unknown[0]!r}, and the dataset has {', '.join(legend.names)}. "
            "Is it the set that the model was trained on?"
        )
    for index, name in enumerate(scene.legend.names):
        places[index] = legend.names.index(name)
    return places


def _coding(dataset: Dataset) -> dict[str, Any]:
    names = {**dict(enumerate(dataset.legend.names)), IGNORE_INDEX: "(no label)"}
    codes = codes_of_ids(dataset.label_mapping)
    written = {names[index]: list(code) if len(code) > 1 else code[0] for index, code in codes.items()}
    return {"kind": "colors" if dataset.label_mapping.kind == "colors" else "values", "codes": written}
