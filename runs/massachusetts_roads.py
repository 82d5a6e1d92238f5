"""Roads of Massachusetts from scratch on a CPU: train, score, map two towns, score the maps, draw the roads.

    python runs/massachusetts_roads.py DATA OUTPUT [--epochs 30]

DATA holds roads-massachusetts/ and rasters/massachusetts/ (scenes with `_labels`). OUTPUT gets the run, the maps, the
roads, a report for each town and figures.json.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

import overland as ol
from overland.workflows.evaluate_map import evaluate_map
from provenance import provenance, write_figures


def main() -> None:
    """Run everything and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--run", type=Path, help="score this run instead of training one")
    arguments = parser.parse_args()
    logging.basicConfig(format="%(message)s")
    logging.getLogger("overland").setLevel(logging.INFO)
    origin = provenance()
    run = arguments.run or _train(arguments.data, arguments.output, arguments.epochs)
    scores = ol.evaluate(
        run / "weights" / "best",
        arguments.data / "roads-massachusetts",
        output=arguments.output / "val",
        overwrite=True,
    )
    scenes = sorted(
        path for path in (arguments.data / "rasters" / "massachusetts").glob("*.tif") if "_labels" not in path.stem
    )
    towns = {scene.stem: _map_town(run, scene, arguments.output) for scene in scenes}
    figures = {
        "val_images": scores["images"],
        "val_road_iou_pooled": scores["headline"]["value"],
        "val_road_iou_interval": [scores["headline"]["low"], scores["headline"]["high"]],
        "threshold": scores["threshold"],
        "towns": towns,
    }
    write_figures(arguments.output / "figures.json", origin | figures)


def _train(data: Path, output: Path, epochs: int) -> Path:
    trained = ol.train(data / "roads-massachusetts", epochs=epochs, project=str(output), name="run", exist_ok=True)
    print(f"trained in {trained.seconds} s")
    return Path(trained.run)


def _map_town(run: Path, scene: Path, output: Path) -> dict[str, Any]:
    model = ol.load_model(run / "weights" / "best")
    mask, roads = output / f"{scene.stem}.tif", output / f"{scene.stem}.gpkg"
    model.predict(scene, mask, overwrite=True)
    labels = scene.with_name(f"{scene.stem}_labels.tif")
    scores = evaluate_map(mask, labels, output=output / f"{scene.stem}-scores", overwrite=True)
    lines = ol.vectorize(mask, roads, kind="roads", overwrite=True)
    page = output / f"{scene.stem}.html"
    ol.report(run, output=page, scene=scene, mask=mask, roads=roads, overwrite=True)
    return {"road_iou_pooled": scores.headline["value"], "roads_km": round(lines.length_m / 1000, 2)}


if __name__ == "__main__":
    main()
