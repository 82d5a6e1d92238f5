"""Draw COCO annotations as the masks of a dataset."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from overland.datasets.class_balance import class_counts, fractions_from_counts
from overland.datasets.coco import CocoFile, CocoImage, draw_mask, read_coco
from overland.datasets.dataset import write_description
from overland.datasets.prepared_folder import check_prepared_folder, write_prepared_folder
from overland.errors import DataError
from overland.progress import track
from overland.raster import Grid, create_raster, open_scene
from overland.result import Result

__all__ = ["PrepareCocoResult", "SplitMasks", "prepare_coco"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SplitMasks:
    """The masks of a split.

    Attributes:
        images: Number of images.
        unannotated: Number of images without any annotation, which are all background.
        class_fractions: Fraction of each class in the pixels that have a label.
    """

    images: int
    unannotated: int
    class_fractions: dict[str, float]


@dataclass(frozen=True)
class PrepareCocoResult(Result):
    """The dataset that was made of COCO annotations.

    Attributes:
        output: The folder of the dataset.
        classes: Names of the classes, the background first.
        splits: The masks of each split.
    """

    output: str
    classes: tuple[str, ...]
    splits: dict[str, SplitMasks]


def prepare_coco(
    annotations: str | Path,
    images: str | Path,
    output: str | Path,
    *,
    val: str | Path | None = None,
    test: str | Path | None = None,
    overwrite: bool = False,
) -> PrepareCocoResult:
    """Draw COCO annotations as masks.

    The output becomes a dataset: copies of the images, PNG masks with class ids, data.yaml. Class 0 is the background,
    the categories follow in the order of their ids. Later annotations lie over earlier ones; crowds are "no label".
    Without a val file a split is drawn when the dataset is read.

    Args:
        annotations: Instances file (polygons or run lengths) of the split train.
        images: Folder that the file names of the annotations lie in.
        output: Folder for the dataset.
        val: Annotations of the split val, of images in the same folder.
        test: Annotations of the split test, of images in the same folder.
        overwrite: Replace a dataset that was made so before.

    Returns:
        The classes and, for each split, its images and class fractions.

    Raises:
        DataError: A file cannot be read, or an image is missing or has another size.
        UsageError: The output may not be written.
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
        splits = {}
        with track("Drawing masks", sum(len(coco.images) for coco in read.values()), "images") as advance:
            for split, coco in read.items():
                counts = np.zeros(legend.num_classes, np.int64)
                for image in coco.images:
                    counts += _write_image(part, split, Path(images), coco, image)
                    advance(1)
                bare = sum(not image.annotations for image in coco.images)
                if bare:
                    logger.info("%d images of %s have no annotation: all of them is background.", bare, split)
                splits[split] = SplitMasks(len(coco.images), bare, fractions_from_counts(legend, counts))
        write_description(part, legend, read)
    return PrepareCocoResult(str(output), legend.names, splits)


def _write_image(folder: Path, split: str, images: Path, coco: CocoFile, image: CocoImage) -> npt.NDArray[np.int64]:
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
