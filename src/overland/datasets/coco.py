"""COCO annotation files: images with labelled shapes, read and drawn as masks of class ids."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
from skimage.draw import polygon

from overland.errors import DataError
from overland.legend import IGNORE_INDEX, Legend, legend_from_names
from overland.text import check_name, read_text

__all__ = [
    "CocoFile",
    "CocoImage",
    "draw_mask",
    "mask_from_segmentation",
    "read_coco",
]


Mask = npt.NDArray[np.bool_]

_BACKGROUND = "background"


@dataclass(frozen=True)
class CocoImage:
    """An image of a COCO file.

    Attributes:
        file_name: Its name there, below the folder of images.
        height: Height in pixels.
        width: Width in pixels.
        annotations: Its annotations in the order of the file.
    """

    file_name: PurePosixPath
    height: int
    width: int
    annotations: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class CocoFile:
    """The content of a COCO file.

    Attributes:
        path: The file.
        images: Its images.
        legend: The classes; class 0 is the background.
        ids: The class id of each category id.
    """

    path: Path
    images: tuple[CocoImage, ...]
    legend: Legend
    ids: Mapping[int, int]


def mask_from_segmentation(segmentation: Any, height: int, width: int) -> Mask:
    """Draw a COCO segmentation.

    A list holds polygons [x, y, x, y, ...] in pixels, with the corner of the image at 0, 0: a pixel belongs to them
    when its centre does. {"size": [h, w], "counts": ...} holds run lengths, column by column, the first of zeros; as
    a list, or as the string of pycocotools. Source: the data format of cocodataset.org and maskApi.c.

    Args:
        segmentation: The value of an annotation's key.
        height: Height of the image in pixels.
        width: Width of the image in pixels.

    Returns:
        True for the pixels of the shape (height, width).

    Raises:
        DataError: It is anything else, or empty.
    """
    if isinstance(segmentation, list) and segmentation:
        return _from_polygons(segmentation, height, width)
    if isinstance(segmentation, dict) and {"size", "counts"} <= set(segmentation):
        runs = segmentation["counts"]
        if isinstance(runs, str):
            # Numbers of five bits a character: the sixth says that more follow; from the fourth on differences.
            text, runs = runs, []
            value = shift = 0
            for character in text.encode("ascii", errors="replace"):
                bits = character - 48
                value |= (bits & 31) << shift
                shift += 5
                if not bits & 32:
                    value -= (1 << shift) if bits & 16 else 0
                    runs.append(value + (runs[-2] if len(runs) > 2 else 0))
                    value = shift = 0
        size = segmentation["size"]
        if list(size) != [height, width] or sum(runs) != height * width or min(runs, default=0) < 0:
            raise DataError(f"run lengths of {sum(runs)} pixels and size {size} for an image of {height} x {width}")
        values = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
        return values.reshape(width, height).T
    raise DataError(
        f"a segmentation is a list of polygons or has size and counts, and boxes alone are no masks; got "
        f"{str(segmentation)[:60]!r}"
    )


def _from_polygons(polygons: list[Any], height: int, width: int) -> Mask:
    mask = np.zeros((height, width), bool)
    if all(isinstance(point, list) and len(point) == 2 for point in polygons):
        # One polygon as pairs [x, y], which labelme writes.
        polygons = [[coordinate for point in polygons for coordinate in point]]
    for points in polygons:
        try:
            xy = np.asarray(points, np.float64).reshape(-1, 2)
        except (ValueError, TypeError):
            raise DataError(f"a polygon is a list x, y, x, y, ...; got {str(points)[:60]}") from None
        if not np.isfinite(xy).all():
            raise DataError("a polygon has a coordinate that is no number")
        if len(xy) < 3:
            raise DataError(f"a polygon has three points at least; got {str(points)[:60]}")
        # skimage puts the centre of the first pixel at 0, 0.
        mask[polygon(xy[:, 1] - 0.5, xy[:, 0] - 0.5, (height, width))] = True
    return mask


def read_coco(path: str | Path) -> CocoFile:
    """Read a COCO instances file.

    Categories become classes 1, 2, ... in the order of their ids; one named background is class 0 itself.

    Args:
        path: The file, JSON.

    Returns:
        Its content.

    Raises:
        DataError: The file is none, has no category or no image, gives one id to two images or categories, or names
            files that lie outside the folder of images.
    """
    path = Path(path)
    values = _read(path)
    try:
        _refuse_repeated(path, "categories", [int(item["id"]) for item in values["categories"]])
        by_id = {int(item["id"]): check_name(item["name"], str(path)) for item in values["categories"]}
        named = [key for key in sorted(by_id) if by_id[key].lower() != _BACKGROUND]
        ids = dict.fromkeys(by_id, 0) | {key: index for index, key in enumerate(named, 1)}
        legend = legend_from_names([_BACKGROUND, *(by_id[key] for key in named)])
        by_image: dict[Any, list[Mapping[str, Any]]] = defaultdict(list)
        for annotation in values["annotations"]:
            by_image[annotation["image_id"]].append(annotation)
        _refuse_repeated(path, "images", [item["id"] for item in values["images"]])
        images = tuple(
            CocoImage(
                PurePosixPath(str(item["file_name"]).replace("\\", "/")),
                int(item["height"]),
                int(item["width"]),
                tuple(by_image.pop(item["id"], [])),
            )
            for item in values["images"]
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DataError(f"{path} is no COCO instances file ({error!r}).") from error
    if by_image:
        raise DataError(f"{path} annotates the image {next(iter(by_image))}, which it does not list. Is it complete?")
    if not images or len(ids) == 0:
        raise DataError(f"{path} lists {len(images)} images and {len(ids)} categories; both are needed.")
    _check_names(path, images)
    return CocoFile(path, images, legend, ids)


def draw_mask(coco: CocoFile, image: CocoImage) -> npt.NDArray[np.uint8]:
    """Draw the annotations of an image: later ones lie over earlier ones, crowds are ignored.

    Args:
        coco: The file.
        image: An image of it.

    Returns:
        Class ids (height, width).

    Raises:
        DataError: A shape cannot be read.
    """
    mask = np.zeros((image.height, image.width), np.uint8)
    for annotation in image.annotations:
        try:
            shape = mask_from_segmentation(annotation["segmentation"], image.height, image.width)
            index = IGNORE_INDEX if annotation.get("iscrowd") else coco.ids[annotation["category_id"]]
        except DataError as error:
            where = f"annotation {annotation.get('id')} of {image.file_name}"
            raise DataError(f"{coco.path}: {where}: {error}.") from error
        except KeyError as error:
            raise DataError(
                f"{coco.path}: annotation {annotation.get('id')} of {image.file_name} has no {error}; "
                "boxes alone are no masks, and every category is to be listed."
            ) from error
        mask[shape] = index
    return mask


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise DataError(f"{path} does not exist; name a COCO file such as instances_train.json.")
    try:
        values = json.loads(read_text(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"{path} is not valid JSON ({error}).") from error
    values = values if isinstance(values, dict) else {}
    missing = [key for key in ("images", "annotations", "categories") if key not in values]
    if missing:
        raise DataError(f"{path} has no {missing[0]}, so it is no COCO instances file.")
    return values


def _refuse_repeated(path: Path, kind: str, ids: list[Any]) -> None:
    repeated = [value for value, count in Counter(ids).items() if count > 1]
    if repeated:
        raise DataError(
            f"{path} gives the id {repeated[0]} to several {kind}, so it is open which of them an annotation means. "
            "Files that were merged have to be numbered anew."
        )


def _check_names(path: Path, images: tuple[CocoImage, ...]) -> None:
    stems: set[PurePosixPath] = set()
    for image in images:
        name = image.file_name
        if name.is_absolute() or ".." in name.parts or not name.parts or ":" in name.parts[0]:
            raise DataError(f"{path} names the image {name}; names lie below the folder of images.")
        if name.with_suffix("") in stems:
            raise DataError(f"{path} lists two images named {name.with_suffix('')}; their masks would have one name.")
        stems.add(name.with_suffix(""))
