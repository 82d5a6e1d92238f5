"""Write a class map in a dataset's own values or colours, as its benchmark wants predictions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from overland.datasets import DataSource, read_dataset
from overland.datasets.label_mapping import codes_of_ids, mask_from_ids
from overland.datasets.masks import Labels
from overland.errors import DataError
from overland.geo.grid import iter_windows
from overland.legend import IGNORE_INDEX
from overland.output import check_not_input
from overland.progress import track
from overland.raster import create_raster
from overland.raster.class_map import open_class_scene, read_ids
from overland.raster.open import input_files
from overland.raster.write import check_raster_output
from overland.result import Result

__all__ = ["EncodeMaskResult", "encode_mask"]

_BLOCK = 1024
_MEGA = 1e6


@dataclass(frozen=True)
class EncodeMaskResult(Result):
    """The mask that was written and its coding.

    Attributes:
        mask: The class map.
        output: The file that was written.
        like: The dataset whose coding it has.
        height: Height in pixels.
        width: Width in pixels.
        kind: Form of the classes in the file, values or colours.
        codes: The value, or red, green and blue, of each class, by name.
    """

    mask: str
    output: str
    like: str
    height: int
    width: int
    kind: Literal["values", "colors"]
    codes: dict[str, int | tuple[int, ...]]


def encode_mask(mask: str | Path, output: str | Path, *, like: DataSource, overwrite: bool = False) -> EncodeMaskResult:
    """Write a class map as a dataset stores its masks.

    The output gets label ids for Cityscapes, colours for DeepGlobe, 0 and 255 for roads so stored: what a benchmark's
    own tools read. Classes go by name where the map has names, else by id. Pixels without a class get what means "no
    label" in the dataset.

    Args:
        mask: Class map of ids, as predict writes it.
        output: File to write, a .png or .tif.
        like: Dataset whose values or colours are written.
        overwrite: Replace an output that exists.

    Returns:
        The coding and the size.

    Raises:
        DataError: A class of the map is none of the dataset's, or the dataset has no coding for it.
        UsageError: The output may not be written.
    """
    check_raster_output(output, overwrite=overwrite, inputs=input_files(mask))
    dataset = read_dataset(like)
    check_not_input(output, [s.mask for samples in dataset.splits.values() for s in samples if s.mask is not None])
    sample = mask_from_ids(dataset.label_mapping, np.zeros((1, 1), np.uint8))
    with open_class_scene(mask) as scene:
        # The dataset's id of each id of the map (256,).
        places: Labels = np.arange(256, dtype=np.uint8)
        for index, name in enumerate(scene.legend.names if scene.legend is not None else ()):
            if name not in dataset.legend.names:
                raise DataError(
                    f"{scene.path} has the class {name!r}, and the dataset has {', '.join(dataset.legend.names)}. "
                    "Is it the set that the model was trained on?"
                )
            places[index] = dataset.legend.names.index(name)
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
    names = {**dict(enumerate(dataset.legend.names)), IGNORE_INDEX: "(no label)"}
    codes = codes_of_ids(dataset.label_mapping)
    return EncodeMaskResult(
        mask=str(mask),
        output=str(output),
        like=str(dataset.root),
        height=height,
        width=width,
        kind="colors" if dataset.label_mapping.kind == "colors" else "values",
        codes={names[index]: code if len(code) > 1 else code[0] for index, code in codes.items()},
    )
