"""COCO annotations to a dataset with masks."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from overland.datasets.class_balance import class_counts, fractions_from_counts
from overland.datasets.coco import CocoFile, CocoImage, draw_mask, read_coco
from overland.datasets.dataset import write_description
from overland.errors import DataError
from overland.progress import track
from overland.raster import Grid, create_raster, open_scene
from overland.workflows.prepare_chips import check_prepared_folder, write_prepared_folder

__all__ = ["prepare_coco"]

logger = logging.getLogger("overland")


def prepare_coco(
    annotations: str | Path,
    images: str | Path,
    output: str | Path,
    *,
    val: str | Path | None = None,
    test: str | Path | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Draw the shapes of COCO files as masks, and write them with copies of the images to a folder.

    `annotations` are of the split train, `val` and `test` of the others; all name images below `images`. Masks are
    PNG with class ids: 0 background, then the categories in the order of their ids; later annotations lie over
    earlier ones, crowds are ignored. Returns the classes and, for each split, its images and class fractions. Raises
    `DataError` for a file that cannot be read, an image that is missing or has another size.
    """
    files = {"train": annotations, "val": val, "test": test}
    given = {split: Path(path) for split, path in files.items() if path is not None}
    output = check_prepared_folder(output, images, *given.values(), overwrite=overwrite)
    read = {split: read_coco(path) for split, path in given.items()}
    legend = read["train"].legend
    for split, coco in read.items():
        if coco.legend != legend:
            raise DataError(f"{coco.path} ({split}) has other categories than {read['train'].path}; they must agree.")
    settings = {"annotations": {split: path.name for split, path in given.items()}}
    with write_prepared_folder(output, "from-coco", settings) as part:
        splits = _write_splits(part, Path(images), read)
        write_description(part, legend, read)
    return {"output": str(output), "classes": list(legend.names), "splits": splits}


def _write_splits(folder: Path, images: Path, read: Mapping[str, CocoFile]) -> dict[str, Any]:
    splits = {}
    with track("Drawing masks", sum(len(coco.images) for coco in read.values()), "images") as advance:
        for split, coco in read.items():
            counts = np.zeros(coco.legend.num_classes, np.int64)
            for image in coco.images:
                counts += _write_image(folder, split, images, coco, image)
                advance(1)
            bare = sum(not image.annotations for image in coco.images)
            if bare:
                logger.info("%d images of %s have no annotation: all of them is background.", bare, split)
            fractions = fractions_from_counts(coco.legend, counts)
            splits[split] = {"images": len(coco.images), "unannotated": bare, "class_fractions": fractions}
    return splits


def _write_image(folder: Path, split: str, images: Path, coco: CocoFile, image: CocoImage) -> Any:
    source = images / image.file_name
    if not source.is_file():
        raise DataError(f"{coco.path} lists {image.file_name}, and {source} does not exist. Is the folder right?")
    with open_scene(source) as scene:
        if (scene.height, scene.width) != (image.height, image.width):
            raise DataError(
                f"{source} has {scene.height} x {scene.width} pixels, and {coco.path} says {image.height} x "
                f"{image.width}: the annotations are of another version of the image."
            )
    mask = draw_mask(coco, image)
    copy = folder / "images" / split / image.file_name
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, copy)
    grid = Grid(height=image.height, width=image.width)
    with create_raster(folder / "masks" / split / image.file_name.with_suffix(".png"), grid) as writer:
        writer.write(mask, grid.window)
    return class_counts(mask, coco.legend.num_classes)
