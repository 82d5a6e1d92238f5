"""Demo: the whole chain on a synthetic landscape, from data to map to report."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from shapely import LineString

from overland.errors import UsageError
from overland.progress import format_seconds, track
from overland.raster import create_raster, write_class_map
from overland.result import Result
from overland.synthetic import LANDSCAPE_LEGEND, SMALLEST_SIDE, Landscape, synthetic_landscape
from overland.vector import Layer, write_features
from overland.workflows.check_data import check_data
from overland.workflows.evaluate import evaluate
from overland.workflows.evaluate_map import evaluate_map
from overland.workflows.predict import predict
from overland.workflows.report import report
from overland.workflows.train import train
from overland.workflows.vectorize import vectorize

__all__ = ["DemoResult", "demo"]

logger = logging.getLogger(__name__)

_SPLITS = {"train": 40, "val": 6, "test": 8}
_SIDE = 512


@dataclass(frozen=True)
class DemoResult(Result):
    """The files of a demo and its scores.

    Attributes:
        output: The folder of everything.
        report: The HTML page.
        model: The trained model.
        scene: The large scene.
        mask: Its class map.
        roads: Its road graph.
        polygons: Its polygons.
        synthetic: True: the imagery is made up, and so are the scores no evidence for real imagery.
        check: True where the data check found no error.
        val: Headline score on the validation images.
        test: Headline score on unseen scenes.
        map: Headline score of the class map.
        mpx_per_s: Millions of pixels mapped in a second.
        road_m: Length of the roads in metres.
        polygons_count: Number of polygons.
        seconds: Time of it all.
    """

    output: str
    report: str
    model: str
    scene: str
    mask: str
    roads: str
    polygons: str
    synthetic: bool
    check: bool
    val: Mapping[str, Any]
    test: Mapping[str, Any]
    map: Mapping[str, Any]
    mpx_per_s: float
    road_m: float | None
    polygons_count: int | None
    seconds: float


def demo(
    *,
    output: str | Path = "demo",
    seed: int = 0,
    epochs: int | None = None,
    map_side: int = 4096,
    overwrite: bool = False,
) -> DemoResult:
    """Run the whole chain on a synthetic landscape: data, training, map, roads, report.

    Takes a few minutes on two CPU cores and needs the extra train. The landscape is synthetic, so its scores are
    evidence that the code runs and of nothing else. The same seed gives the same bytes.

    Args:
        output: Folder for everything.
        seed: Seed of the landscape, the training and the map.
        epochs: Passes over the training scenes, in place of the recipe's.
        map_side: Side of the scene to map, in pixels.
        overwrite: Replace an earlier demo in that folder.

    Returns:
        The paths of what was made, and the scores.

    Raises:
        UsageError: An option makes no sense, or the folder holds something else.
        MissingExtraError: The extra train is not installed.
    """
    if map_side < SMALLEST_SIDE or seed < 0 or (epochs is not None and epochs < 1):
        raise UsageError(
            f"map_side is {map_side}, seed {seed} and epochs {epochs}; a side has {SMALLEST_SIDE} pixels or more, a "
            "seed is 0 or more, epochs are 1 or more."
        )
    folder = _free_folder(Path(output), overwrite)
    started = time.monotonic()
    logger.info("[1/7] making scenes")
    data = _make_dataset(folder / "landscape", seed)
    scene = _make_scene(folder / "scene.tif", seed, map_side)
    logger.info("[2/7] checking the data")
    check = check_data(data)
    logger.info("[3/7] training a small network")
    trained = train(
        data,
        recipe="demo",
        synthetic=True,
        seed=seed,
        epochs=epochs,
        project=str(folder),
        name="demo",
        exist_ok=True,
    )
    logger.info("[4/7] evaluating on unseen scenes")
    scores = evaluate(trained.model, data, split="test", output=folder / "test")
    logger.info("[5/7] mapping the large scene")
    mask = folder / "map.tif"
    predicted = predict(trained.model, [scene], mask)
    mapped = evaluate_map(mask, folder / "scene_truth.tif", output=folder / "map-scores")
    logger.info("[6/7] drawing roads and polygons")
    roads = vectorize(mask, folder / "roads.gpkg", kind="roads")
    polygons = vectorize(mask, folder / "polygons.gpkg", kind="polygons")
    logger.info("[7/7] writing the report")
    page = report(
        folder / "demo",
        output=folder / "report.html",
        evaluation=folder / "test",
        scene=scene,
        mask=mask,
        roads=folder / "roads.gpkg",
    )
    seconds = time.monotonic() - started
    logger.info("Done in %s. Open %s", format_seconds(seconds), page.report)
    return DemoResult(
        output=str(folder),
        report=str(page.report),
        model=trained.model,
        scene=str(scene),
        mask=str(mask),
        roads=str(roads.output),
        polygons=str(polygons.output),
        synthetic=True,
        check=check.ok,
        val=trained.val.headline,
        test=scores.headline,
        map=mapped.headline,
        mpx_per_s=predicted.mpx_per_s,
        road_m=roads.length_m,
        polygons_count=polygons.polygons,
        seconds=round(seconds, 1),
    )


def _free_folder(folder: Path, overwrite: bool) -> Path:
    if folder.exists() and any(folder.iterdir()):
        if not overwrite:
            raise UsageError(
                f"{folder} is not empty. Add --overwrite to replace the demo in it, or choose another --output."
            )
        if not (folder / "landscape" / "dataset.yaml").is_file():
            raise UsageError(
                f"{folder} holds something that is not a demo, so it is not replaced. Choose another --output."
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _make_dataset(folder: Path, seed: int) -> Path:
    total = sum(_SPLITS.values())
    index = 0
    with track("Making scenes", total, "scenes") as advance:
        for split, count in _SPLITS.items():
            for number in range(count):
                index += 1
                landscape = synthetic_landscape(1000 * seed + index, _SIDE, _SIDE)
                _write_image(folder / "images" / split / f"scene-{number:02}.tif", landscape)
                write_class_map(
                    folder / "masks" / split / f"scene-{number:02}.tif",
                    landscape.mask,
                    landscape.grid,
                    LANDSCAPE_LEGEND,
                )
                advance(1)
    settings: dict[str, Any] = {"path": ".", **{split: f"images/{split}" for split in _SPLITS}, "masks_dir": "masks"}
    settings["names"] = dict(enumerate(LANDSCAPE_LEGEND.names))
    settings["colors"] = {index: list(color) for index, color in enumerate(LANDSCAPE_LEGEND.colors)}
    path = folder / "dataset.yaml"
    path.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    return path


def _make_scene(path: Path, seed: int, side: int) -> Path:
    landscape = synthetic_landscape(1000 * seed + 999, side, side)
    _write_image(path, landscape)
    write_class_map(path.with_name("scene_truth.tif"), landscape.mask, landscape.grid, LANDSCAPE_LEGEND)
    roads = Layer(
        name="roads",
        geometry_type="LineString",
        geometries=np.array([LineString(road.line) for road in landscape.roads], dtype=object),
        fields={
            "kind": np.array([road.kind for road in landscape.roads], dtype=object),
            "width_m": np.array([road.width_m for road in landscape.roads]),
        },
        crs=landscape.grid.crs,
    )
    write_features(path.with_name("scene_roads.gpkg"), [roads])
    return path


def _write_image(path: Path, landscape: Landscape) -> None:
    with create_raster(path, landscape.grid, count=3) as writer:
        writer.write(landscape.image, landscape.grid.window)
