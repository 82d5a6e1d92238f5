"""Write a dataset as the managed cloud trainer takes it: four channels of JPEG and PNG, and a label map."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from overland.datasets import Dataset, DataSource, Sample, read_dataset, read_sample
from overland.datasets.check import check_before_use
from overland.datasets.layouts.channels import CHANNELS, CLASS_NAMES, LABEL_MAPS
from overland.datasets.masks import Pixels
from overland.datasets.prepared_folder import check_prepared_folder, write_prepared_folder
from overland.errors import DataError, UsageError
from overland.progress import track
from overland.result import Result

__all__ = ["PrepareChannelsResult", "prepare_channels"]

logger = logging.getLogger(__name__)

_JPEG_ENDINGS = (".jpg", ".jpeg")
_MOST_SIDE = 65_500


@dataclass(frozen=True)
class PrepareChannelsResult(Result):
    """The channels and their contents.

    Attributes:
        data: The dataset that was written.
        output: The folder of the channels.
        images: Number of images of each channel.
        left_out: Number of images of each split for which the trainer has no channel.
        classes: Names of the classes.
        hyperparameters: Those of the trainer that follow from the data.
    """

    data: str
    output: str
    images: dict[str, int]
    left_out: dict[str, int]
    classes: tuple[str, ...]
    hyperparameters: dict[str, str]


def prepare_channels(
    data: DataSource,
    output: str | Path,
    *,
    quality: int = 95,
    val_fraction: float = 0.2,
    seed: int = 0,
    overwrite: bool = False,
) -> PrepareChannelsResult:
    """Write a dataset as the managed cloud trainer takes it.

    The output gets the channels train/, train_annotation/, validation/ and validation_annotation/ with JPEG images and
    8-bit PNG masks of one stem, label_map/, and class_names.json next to them. Images that are JPEG already are copied
    as they are. Masks hold class ids, 255 is ignored. Overland reads the folder back as a dataset.

    Args:
        data: Dataset: a folder, a dataset YAML, or a reader of your own as package.module:reader@folder; in Python also
            the layout or dataset that a reader returned.
        output: Folder for the channels.
        quality: JPEG quality of images that are no JPEG yet.
        val_fraction: Fraction of the images that becomes val where the dataset has no val split.
        seed: Seed of that split.
        overwrite: Replace channels that were written before.

    Returns:
        The number of images in each channel, what is left out, and the hyperparameters that follow.

    Raises:
        UsageError: The quality is out of range, or the output may not be written.
        DataError: `check_data` finds an error in the data, images are of another kind, or two would have one name.
    """
    if not 1 <= quality <= 100:
        raise UsageError(f"quality is {quality}; JPEG takes 1 to 100, and 95 keeps all that is seen.")
    output = check_prepared_folder(output, data, overwrite=overwrite)
    dataset = read_dataset(data, val_fraction=val_fraction, seed=seed)
    check_before_use(dataset)
    for note in dataset.notes:
        logger.warning("%s", note)
    left_out = {split: len(samples) for split, samples in dataset.splits.items() if split not in CHANNELS}
    for split, count in left_out.items():
        logger.info("Left out: %d images of %s, for which the trainer has no channel.", count, split)
    with write_prepared_folder(
        output, "to-channels", {"quality": quality, "val_fraction": val_fraction, "seed": seed}
    ) as part:
        images = _write_channels(part, dataset, quality)
        (part / LABEL_MAPS).mkdir()
        # The default, written out: nobody has to know it.
        mapping = {"map": {str(index): index for index in range(dataset.legend.num_classes)}}
        for channel in CHANNELS.values():
            (part / LABEL_MAPS / f"{channel}_label_map.json").write_text(json.dumps(mapping) + "\n", encoding="utf-8")
        if dataset.names_declared:
            names = {str(index): name for index, name in enumerate(dataset.legend.names)}
            text = json.dumps(names, indent=2, ensure_ascii=False)
            (part / CLASS_NAMES).write_text(text + "\n", encoding="utf-8")
    hyperparameters = {"num_classes": str(dataset.legend.num_classes), "num_training_samples": str(images["train"])}
    return PrepareChannelsResult(
        data=str(dataset.root),
        output=str(output),
        images=images,
        left_out=left_out,
        classes=dataset.legend.names,
        hyperparameters=hyperparameters,
    )


def _write_channels(folder: Path, dataset: Dataset, quality: int) -> dict[str, int]:
    images = {}
    with track("Writing channels", sum(len(dataset.splits.get(split, ())) for split in CHANNELS), "images") as advance:
        for split, channel in CHANNELS.items():
            samples: dict[str, Sample] = {}
            for sample in dataset.splits.get(split, ()):
                if sample.mask is None:
                    continue
                # A channel has no folders in it.
                name = (sample.key.partition("/")[2] or sample.key).replace("/", "_")
                if name in samples:
                    raise DataError(
                        f"{sample.image} and {samples[name].image} would both be {name}.jpg; rename one of them."
                    )
                samples[name] = sample
            if not samples:
                raise DataError(f"{dataset.root} has no labelled image in {split}, and the trainer wants {channel}.")
            (folder / channel).mkdir()
            (folder / f"{channel}_annotation").mkdir()
            for name, sample in samples.items():
                image, labels, _ = read_sample(dataset, sample)
                _write_jpeg(folder / channel / f"{name}.jpg", sample, image, quality)
                Image.fromarray(labels).save(folder / f"{channel}_annotation" / f"{name}.png")
                advance(1)
            images[channel] = len(samples)
    return images


def _write_jpeg(path: Path, sample: Sample, image: Pixels, quality: int) -> None:
    if image.dtype != np.uint8 or len(image) not in (1, 3):
        raise DataError(
            f"{sample.image} has {len(image)} bands of {image.dtype}, and the trainer takes JPEG: three of uint8. "
            "Convert the images first, such as with `gdal_translate -ot Byte -scale -b 1 -b 2 -b 3`."
        )
    if max(image.shape) > _MOST_SIDE:
        raise DataError(f"{sample.image} is too large for JPEG; cut it with `overland data chips` first.")
    if len(image) == 3 and sample.image.suffix.lower() in _JPEG_ENDINGS:
        shutil.copyfile(sample.image, path)
        return
    rgb = np.broadcast_to(image, (3, *image.shape[1:])).transpose(1, 2, 0)
    Image.fromarray(np.ascontiguousarray(rgb)).save(path, quality=quality, subsampling=0)
