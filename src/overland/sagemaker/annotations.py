"""Checks of a job's annotations before anything is trained: they hold class ids, and "ignore" swallows none."""

from __future__ import annotations

import json
from pathlib import Path

from overland.datasets import Dataset
from overland.datasets.files import list_images
from overland.datasets.masks import read_mask, unique_values
from overland.errors import DataError
from overland.legend import IGNORE_INDEX

__all__ = ["check_annotations", "check_num_classes"]

_LABEL_MAP = "label_map/train_label_map.json"
_SAMPLED = 200
_LISTED = 8


def check_annotations(data: Path, num_classes: int | None) -> None:
    """Refuse annotations without a label map whose values are no class ids.

    255 means "ignore" in this contract. So masks of 0 and 255, as most programs write roads, have one class and nothing
    to learn: a published run scored mIOU 0.5 and pixel accuracy 1.0 in all of its 100 epochs that way.

    Args:
        data: Folder of the four channels.
        num_classes: Number of classes that the job says it has.

    Raises:
        DataError: The annotations need a label map, which the message holds; ids are beyond the number of classes; or
            annotations lie among the images.
    """
    for split in ("train", "validation"):
        if (data / split / f"{split}_annotation").is_dir():
            raise DataError(
                f"The channel {split} holds a folder {split}_annotation as well: its S3 address is the beginning of "
                f"both. End the channel's address with a slash: s3://.../{split}/"
            )
    if (data / _LABEL_MAP).is_file():
        return
    for split in ("train", "validation"):
        # Colours are left to the dataset's reader.
        paths = list_images(data / f"{split}_annotation")
        values: set[int] = set()
        for path in paths[:: max(1, len(paths) // _SAMPLED)]:
            mask = read_mask(path)
            if not mask.has_colors:
                values.update(unique_values(mask.pixels[0]).tolist())
        if IGNORE_INDEX in values and len(values) == 2:
            other = min(values)
            label_map = json.dumps({"map": {"0": other, "1": IGNORE_INDEX}})
            raise DataError(
                f"The masks in {split}_annotation hold the values {other} and 255 alone, and there is no label map. "
                '255 means "ignore", so one class would be left and nothing could be learned. Add a channel label_map '
                f"with a file train_label_map.json that holds this text: {label_map}"
            )
        ids = values - {IGNORE_INDEX}
        if num_classes is not None and ids and max(ids) >= num_classes:
            raise DataError(_beyond(split, sorted(ids), num_classes))


def check_num_classes(dataset: Dataset, num_classes: int | None) -> None:
    """Refuse a dataset of another number of classes than the job says.

    Args:
        dataset: The dataset.
        num_classes: Number of classes that the job says it has; None where it says nothing.

    Raises:
        DataError: The numbers differ.
    """
    found = dataset.legend.num_classes
    if num_classes is None or found == num_classes:
        return
    names = ", ".join(dataset.legend.names[:_LISTED]) + (", ..." if found > _LISTED else "")
    shown = [f'"{index}": {index}' for index in range(min(num_classes, 3))]
    identity = f'{{"map": {{{", ".join(shown)}{", ..." if num_classes > len(shown) else ""}}}}}'
    raise DataError(
        f"num_classes is {num_classes}, and the annotations have {found} classes ({names}). "
        f"Set num_classes to {found}, or name all {num_classes} in {_LABEL_MAP}: {identity}"
    )


def _beyond(split: str, ids: list[int], num_classes: int) -> str:
    listed = ", ".join(str(value) for value in ids[:_LISTED]) + (", ..." if len(ids) > _LISTED else "")
    if len(ids) <= num_classes:
        label_map = json.dumps({"map": {str(index): value for index, value in enumerate(ids)}})
        return (
            f"num_classes is {num_classes}, and the masks in {split}_annotation hold the values {listed}, which are no "
            f"ids from 0 to {num_classes - 1}. If this is their order, add a channel label_map with "
            f"train_label_map.json: {label_map}"
        )
    return (
        f"num_classes is {num_classes}, and the masks in {split}_annotation hold {len(ids)} values: {listed}. "
        "Set num_classes to the number of classes, or say in a label map which value is which class. Masks that were "
        "saved as JPEG or resized smoothly hold many values: save them again as PNG."
    )
