"""The road model in the box: train, judge on scenes that it never saw, make compact, write src/overland/zoo/roads.

    python runs/road_model.py DATA OUTPUT [--recipe RECIPE] [--set epochs=60 ...]
    python runs/road_model.py DATA OUTPUT --from RUN

DATA holds roads-massachusetts/ and rasters/massachusetts/ (scenes with `_labels`). OUTPUT gets the run, the maps, their
scores and figures.json. With --from a bundle or a run that is there is judged and packed. A model that does not reach
an IoU of 0.45 on the scenes, or does not fit into 10 MB, is not put into the box.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scipy.ndimage import gaussian_filter
from skimage.feature import match_template
from skimage.transform import downscale_local_mean

import overland as ol
from overland.bundle import ModelBundle, load_bundle
from overland.exporters.compact import compact_bundle
from overland.inference.resample import AxisResampling, ResampledScene, Resampling, resample
from overland.raster import create_raster, open_scene, read_image
from overland.workflows.evaluate_map import evaluate_map
from provenance import ROOT, provenance, write_figures

TARGET = ROOT / "src/overland/zoo/roads"
CARD = Path(__file__).with_name("road_model_card.md")
RESOLUTION_M, RANGE_M = 1.0, (0.5, 2.0)
LEAST_IOU, MOST_BYTES = 0.45, 10_000_000
ATTRIBUTION = "imagery MassGIS, Commonwealth of Massachusetts; labels (c) OpenStreetMap contributors, ODbL 1.0"
LICENSE = "weights Apache-2.0; trained on public imagery and on labels under the ODbL 1.0: credit both"
# Two pictures of one place agree better than this, even after JPEG; those of different places do not come near.
SAME_GROUND = 0.5
SHRUNK, TEXTURE_SIGMA, LARGEST_CONTRAST = 4, 3.0, 15.0


def main() -> None:
    """Train or take a model, judge it, and put it into the box."""
    arguments = _arguments()
    logging.basicConfig(format="%(message)s")
    logging.getLogger("overland").setLevel(logging.INFO)
    origin = provenance()
    arguments.output.mkdir(parents=True, exist_ok=True)
    dataset, scenes = arguments.data / "roads-massachusetts", _scenes(arguments.data)
    likeness = ground_likeness(dataset / "images" / "train", scenes)
    if likeness > SAME_GROUND:
        raise SystemExit(f"A training image shows the ground of a scene that is judged (correlation {likeness:.2f}).")
    bundle = load_bundle(arguments.source or _train(dataset, arguments))
    bundle = replace(bundle, resolution_m=RESOLUTION_M)
    with tempfile.TemporaryDirectory() as folder:
        # Judged as it is shipped: in half precision.
        compact = compact_bundle(bundle, Path(folder) / "roads")
        ious = {f"{metres:g}": _pooled_iou(compact, scenes, metres, arguments.output) for metres in (0.5, 1.0, 2.0)}
    figures = {"scenes_road_iou_pooled": ious, "largest_correlation_with_training": likeness, **_validation(bundle)}
    write_figures(arguments.output / "figures.json", origin | figures)
    if ious["1"] < LEAST_IOU:
        raise SystemExit(f"The IoU on the scenes is {ious['1']:.3f}, below {LEAST_IOU}: it is not put into the box.")
    _put_into_the_box(bundle, origin | figures, _command(arguments))


def ground_likeness(images: Path, scenes: list[Path]) -> float:
    """The best correlation of any training image, wherever it is laid on any scene; none is turned."""
    grounds = [_texture(scene) for scene in scenes]
    chips = [_texture(path) for path in sorted(images.iterdir())]
    return round(max(float(match_template(ground, chip).max()) for ground in grounds for chip in chips), 3)


def _texture(path: Path) -> np.ndarray:
    # Fine structure alone: water beside land looks like water beside the edge of the imagery.
    grey = downscale_local_mean(read_image(path)[0].astype(np.float32).mean(axis=0), (SHRUNK, SHRUNK))
    return np.clip(grey - gaussian_filter(grey, TEXTURE_SIGMA), -LARGEST_CONTRAST, LARGEST_CONTRAST)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--from", dest="source", type=Path, help="a bundle or a run that is there")
    parser.add_argument("--recipe", help="recipe to train with [default: the settings of overland train]")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="NAME=VALUE")
    return parser.parse_args()


def _scenes(data: Path) -> list[Path]:
    folder = data / "rasters" / "massachusetts"
    return sorted(path for path in folder.glob("*.tif") if "_labels" not in path.stem)


def _train(dataset: Path, arguments: argparse.Namespace) -> Path:
    pairs = (text.partition("=") for text in arguments.settings)
    settings = {name: yaml.safe_load(value) for name, _, value in pairs}
    settings |= {"project": str(arguments.output), "name": "run", "exist_ok": True}
    trained = ol.train(dataset, recipe=arguments.recipe, **settings)
    print(f"trained in {trained.seconds} s")
    return Path(trained.run)


def _pooled_iou(bundle: ModelBundle, scenes: list[Path], metres: float, output: Path) -> float:
    """Road IoU over all scenes together, each brought to a pixel size first; the map is compared on those pixels."""
    confusion = np.zeros((2, 2), np.int64)
    for scene in scenes:
        labels = scene.with_name(f"{scene.stem}_labels.tif")
        mask = output / f"{scene.stem}-{metres:g}m.tif"
        if metres != RESOLUTION_M:
            scene, labels = (_resized(path, metres, output) for path in (scene, labels))
        ol.predict(bundle, scene, mask, overwrite=True)
        scores = evaluate_map(mask, labels, output=mask.with_suffix(""), overwrite=True)
        confusion += np.array(scores.confusion)
    return round(float(confusion[1, 1] / (confusion.sum() - confusion[0, 0])), 4)


def _resized(path: Path, metres: float, output: Path) -> Path:
    """The raster in pixels of another size; class ids as the class that covers more of each."""
    resized = output / f"{path.stem}-{metres:g}m-input.tif"
    with open_scene(path) as scene:
        rows, cols = (AxisResampling(side, round(side * RESOLUTION_M / metres)) for side in (scene.height, scene.width))
        coarse = ResampledScene(scene, Resampling(rows, cols))
        if scene.count > 1:
            pixels, nodata = coarse.read(coarse.grid.window, scene.data_bands)[0], None
        else:
            ids, valid = scene.read()
            share, known = resample(coarse.resampling, coarse.grid.window, ids, valid, scene.grid.window)
            pixels, nodata = np.where(known, share >= 0.5, 255).astype(np.uint8), 255
        options = {"count": len(pixels), "nodata": nodata, "overwrite": True}
        with create_raster(resized, coarse.grid, **options) as writer:
            writer.write(pixels, coarse.grid.window)
    return resized


def _validation(bundle: ModelBundle) -> dict[str, Any]:
    headline = bundle.metrics["val"]["headline"]
    return {"val_road_iou_pooled": headline["value"], "val_interval": [headline["low"], headline["high"]]}


def _command(arguments: argparse.Namespace) -> str:
    words = ["--from RUN"] if arguments.source else [f"--recipe {arguments.recipe}"] * bool(arguments.recipe)
    return " ".join(
        ["python runs/road_model.py DATA OUTPUT", *words, *(f"--set {each}" for each in arguments.settings)]
    )


def _put_into_the_box(bundle: ModelBundle, figures: dict[str, Any], command: str) -> None:
    headline = {"key": "iou", "averaging": "pooled", "class": "road", "value": figures["scenes_road_iou_pooled"]["1"]}
    test = {"dataset": "two towns of Massachusetts", "images": 2, "headline": headline, **figures, "command": command}
    bundle = replace(
        bundle,
        metrics={**bundle.metrics, "test": test},
        data={**bundle.data, "license": LICENSE, "attribution": ATTRIBUTION, "resolution_range_m": list(RANGE_M)},
        # Folders of the machine that trained it.
        training={name: value for name, value in bundle.training.items() if name not in ("data", "project")},
    )
    with tempfile.TemporaryDirectory() as folder:
        packed = compact_bundle(bundle, Path(folder) / "roads", card=_card(bundle, figures, command))
        size = sum(path.stat().st_size for path in (Path(folder) / "roads").iterdir())
        if size > MOST_BYTES:
            raise SystemExit(f"The model takes {size / 1e6:.1f} MB; there is room for {MOST_BYTES / 1e6:.0f}.")
        compact_bundle(packed, TARGET, card=_card(bundle, figures, command))
    print(f"{TARGET}: {size / 1e6:.1f} MB")


def _card(bundle: ModelBundle, figures: dict[str, Any], command: str) -> str:
    ious, (low, high) = figures["scenes_road_iou_pooled"], figures["val_interval"]
    return CARD.read_text(encoding="utf-8").format(
        architecture=bundle.model["architecture"],
        threshold=bundle.threshold,
        range=f"{RANGE_M[0]:g} to {RANGE_M[1]:g}",
        resolution=RESOLUTION_M,
        images=bundle.data["images"],
        val=figures["val_road_iou_pooled"],
        low=low,
        high=high,
        fine=ious["0.5"],
        known=ious["1"],
        coarse=ious["2"],
        made=f"{figures['date']}, commit {figures['commit']}, `{command}`",
        likeness=figures["largest_correlation_with_training"],
        terms=f"{ATTRIBUTION[0].upper()}{ATTRIBUTION[1:]}",
    )


if __name__ == "__main__":
    main()
