"""Many classes, briefly: street scenes of CamVid and land cover of DeepGlobe, from scratch on a CPU.

    python runs/multiclass.py DATA OUTPUT [--camvid-epochs 10] [--landcover-epochs 12]

DATA holds camvid/ and deepglobe-landcover/. A few minutes each: evidence that reading, training and scoring of many
classes work on real labels, not of what the models can reach.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

import overland as ol
from provenance import provenance, write_figures


def main() -> None:
    """Train both and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--camvid-epochs", type=int, default=10)
    parser.add_argument("--landcover-epochs", type=int, default=12)
    arguments = parser.parse_args()
    logging.basicConfig(format="%(message)s")
    logging.getLogger("overland").setLevel(logging.INFO)
    origin = provenance()
    project = str(arguments.output)
    street = ol.train(
        arguments.data / "camvid", recipe="street-small", epochs=arguments.camvid_epochs, project=project, name="camvid"
    )
    land = ol.train(
        arguments.data / "deepglobe-landcover", epochs=arguments.landcover_epochs, project=project, name="landcover"
    )
    figures = {"camvid": _summary(street), "deepglobe-landcover": _summary(land)}
    write_figures(arguments.output / "figures.json", origin | figures)


def _summary(trained: ol.Result) -> dict[str, Any]:
    pooled = trained.val.pooled
    return {
        "run": trained.run,
        "seconds": trained.seconds,
        "images": trained.val.images,
        "miou_pooled": pooled["miou"],
        "pixel_accuracy": pooled["pixel_accuracy"],
        "iou": {name: scores["iou"] for name, scores in pooled["classes"].items()},
    }


if __name__ == "__main__":
    main()
