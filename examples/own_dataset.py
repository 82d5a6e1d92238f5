"""Train on a dataset in a layout of your own: here every place has a folder with photo.png and roads.png.

    python examples/own_dataset.py places runs
    overland data check own_dataset:read_places@places
    overland train --data own_dataset:read_places@places

A reader is a function that returns a layout: the samples, and what is known of their masks. Without a val split one is
drawn by group; without a legend or a label mapping the masks are read by the rules for undeclared values.
"""

from __future__ import annotations

import sys
from pathlib import Path

import overland as ol
from overland.datasets import Layout, Sample
from overland.legend import legend_from_names


def read_places(folder: Path) -> Layout:
    """Read PLACE/photo.png with PLACE/roads.png, in which roads are white."""
    samples = tuple(
        Sample(
            key=f"train/{image.parent.name}", image=image, mask=image.with_name("roads.png"), group=image.parent.name
        )
        for image in sorted(folder.glob("*/photo.png"))
    )
    legend = legend_from_names(["background", "road"])
    return Layout("places", folder, {"train": samples}, legend, label_mapping={0: 0, 255: 1})


if __name__ == "__main__":
    places, project, *epochs = sys.argv[1:]
    data = read_places(Path(places))
    print(f"{ol.check_data(data).errors} errors")
    run = ol.train(data, project=project, epochs=int(epochs[0]) if epochs else 40)
    print(f"IoU {run.val.headline['value']:.3f}: {run.model}")
