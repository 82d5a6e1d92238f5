"""Roads of a scene, from a trained model to a GeoPackage.

python examples/roads_of_a_scene.py MODEL SCENE.tif OUTPUT_FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import overland as ol


def main(model: str, scene: str, output: str) -> None:
    """Predict, draw the roads, say how long they are."""
    folder = Path(output)
    ol.load_model(model).predict(scene, folder / "mask.tif")
    roads = ol.vectorize(folder / "mask.tif", folder / "roads.gpkg", kind="roads")
    print(f"{roads.length_m / 1000:.2f} km of road in {folder / 'roads.gpkg'}")


if __name__ == "__main__":
    main(*sys.argv[1:])
