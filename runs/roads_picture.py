"""The picture of a road graph in the docs: the example of the web app, before and after gaps are filled.

    python runs/roads_picture.py docs/images/roads.jpg

Scene and model are made (`runs/example_model.py`).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from overland.workflows.predict import predict
from overland.workflows.report import report
from overland.workflows.vectorize import vectorize

EXAMPLE = Path(__file__).resolve().parent.parent / "src/overland/web/example"
LARGEST = (1400, 1400)


def main() -> None:
    """Map the scene, draw its roads twice, keep the report's picture of both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    output: Path = parser.parse_args().output
    model, scene = EXAMPLE / "roads", EXAMPLE / "scene.tif"
    with TemporaryDirectory() as name:
        folder = Path(name)
        mask, scores = folder / "roads.tif", folder / "scores.tif"
        before, after = folder / "before.gpkg", folder / "roads.gpkg"
        predict(model, scene, mask, scores=scores)
        vectorize(mask, before, kind="roads", max_gap_m=0)
        vectorize(mask, after, kind="roads", probabilities=scores)
        page, picture = folder / "report.html", folder / "roads.png"
        report(model, output=page, scene=scene, roads=after, roads_before=before, picture=picture)
        with Image.open(picture) as image:
            small = image.convert("RGB")
    small.thumbnail(LARGEST)
    small.save(output, quality=80)


if __name__ == "__main__":
    main()
