"""Demo: the whole job on a made landscape, from data to map to report."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from shapely import LineString

from overland.errors import UsageError
from overland.progress import format_seconds, track
from overland.raster import create_raster, write_class_map
from overland.synthetic import LANDSCAPE_LEGEND, Landscape, synthetic_landscape
from overland.vector import Layer, write_features
from overland.workflows.check_data import check_data
from overland.workflows.evaluate import evaluate
from overland.workflows.evaluate_map import evaluate_map
from overland.workflows.predict import predict
from overland.workflows.report import make_report
from overland.workflows.train import train
from overland.workflows.vectorize import vectorize

__all__ = ["demo"]

logger = logging.getLogger("overland")

_SPLITS = {"train": 40, "val": 6, "test": 8}
_SIDE = 512
_MAP_SIDE = 4096


def demo(
    output: str | Path = "demo",
    *,
    seed: int = 0,
    epochs: int | None = None,
    map_side: int = _MAP_SIDE,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Make scenes, check them, train, evaluate on unseen ones, map a large one, vectorise the map, report.

    Everything is made: the scores say that the code runs, nothing about real imagery. `map_side` is the side of the
    large scene in pixels. Gives the paths of what was made and the scores. The same seed gives the same bytes.
    """
    folder = _free_folder(Path(output), overwrite)
    started = time.monotonic()
    step = _steps(7)

    step("making scenes")
    data = _make_dataset(folder / "landscape", seed)
    scene = _make_scene(folder / "scene.tif", seed, map_side)

    step("checking the data")
    check = check_data(data)

    step("training a small network")
    settings: dict[str, Any] = {} if epochs is None else {"epochs": epochs}
    trained = train(
        data, recipe="demo", synthetic=True, seed=seed, project=str(folder), name="demo", exist_ok=True, **settings
    )

    step("evaluating on unseen scenes")
    scores = evaluate(trained.model, data, split="test", output=folder / "test")

    step("mapping the large scene")
    mask = folder / "map.tif"
    predicted = predict(trained.model, [scene], mask)
    mapped = evaluate_map(mask, folder / "scene_truth.tif", output=folder / "map-scores")

    step("drawing roads and polygons")
    roads = vectorize(mask, folder / "roads.gpkg", kind="roads")
    polygons = vectorize(mask, folder / "polygons.gpkg", kind="polygons")

    step("writing the report")
    page = make_report(
        folder / "demo",
        output=folder / "report.html",
        evaluation=folder / "test",
        scene=scene,
        mask=mask,
        roads=folder / "roads.gpkg",
    )
    logger.info("Done in %s. Open %s", format_seconds(time.monotonic() - started), folder / "report.html")
    return {
        "output": str(folder),
        "report": page["report"],
        "model": trained.model,
        "scene": str(scene),
        "mask": str(mask),
        "roads": str(folder / "roads.gpkg"),
        "polygons": str(folder / "polygons.gpkg"),
        "synthetic": True,
        "check": check["ok"],
        "val": trained.val["headline"],
        "test": scores["headline"],
        "map": mapped["headline"],
        "mpx_per_s": predicted.get("mpx_per_s"),
        "road_km": roads.length_m,
        "polygons_count": polygons.polygons,
        "seconds": round(time.monotonic() - started, 1),
    }


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


def _steps(count: int) -> Callable[[str], None]:
    number = 0

    def step(text: str) -> None:
        nonlocal number
        number += 1
        logger.info("[%d/%d] %s", number, count, text)

    return step


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
    write_features(path.with_name("scene_roads.gpkg"), [_road_layer(landscape)])
    return path


def _road_layer(landscape: Landscape) -> Layer:
    return Layer(
        name="roads",
        geometry_type="LineString",
        geometries=np.array([LineString(road.line) for road in landscape.roads], dtype=object),
        fields={
            "kind": np.array([road.kind for road in landscape.roads], dtype=object),
            "width_m": np.array([road.width_m for road in landscape.roads]),
        },
        crs=landscape.grid.crs,
    )


def _write_image(path: Path, landscape: Landscape) -> None:
    with create_raster(path, landscape.grid, count=3) as writer:
        writer.write(landscape.image, landscape.grid.window)
