"""The training set of the road model: all images of Massachusetts that may be shipped, as one dataset.

    python runs/road_data.py DATA OUTPUT

DATA holds roads-massachusetts/, roads-massachusetts-extra/ and roads-massachusetts-tiles/. OUTPUT gets images (links)
and masks with 0, 1 and 255 (no label), in a split for training and one that chooses the epoch and the threshold. The
tiles' own validation split and the two towns in TOWNS are left out: they are the tests at home.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from overland.datasets import Sample, read_dataset
from overland.datasets.dataset import read_labels

TOWNS = ("17728720_15", "18778720_15")
SOURCES = {
    "train": (
        ("roads-massachusetts", "train"),
        # It has no split of its own, and is split when it is read.
        ("roads-massachusetts-extra", "train"),
        ("roads-massachusetts-extra", "val"),
        ("roads-massachusetts-tiles", "train"),
    ),
    "val": (("roads-massachusetts", "val"),),
}
YAML = """path: .
train: images/train
val: images/val
masks_dir: masks
names: {0: background, 1: road}
pixel_size: 1.0
"""


def main() -> None:
    """Link the images, write the masks and the YAML."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    print(road_dataset(arguments.data.resolve(), arguments.output))


def road_dataset(data: Path, output: Path) -> Path:
    """Make the dataset; returns its folder. What is there already is kept."""
    for split, sources in SOURCES.items():
        for name, its_split in sources:
            dataset = read_dataset(data / name)
            for sample in dataset.splits[its_split]:
                if sample.image.stem not in TOWNS:
                    _add(sample, read_labels(dataset, sample), output, split)
    (output / "data.yaml").write_text(YAML, encoding="utf-8")
    return output


def _add(sample: Sample, target: np.ndarray, output: Path, split: str) -> None:
    image = output / "images" / split / sample.image.name
    mask = output / "masks" / split / f"{sample.image.stem}.png"
    for path in (image, mask):
        path.parent.mkdir(parents=True, exist_ok=True)
    if not image.exists():
        image.symlink_to(sample.image)
    Image.fromarray(target).save(mask)


if __name__ == "__main__":
    main()
