"""What does another window change? Labels flipped and the largest difference against one window, by window and halo.

    python benchmarks/bench_windows.py [MODEL SCENE] [--halos 64 128] [--windows 256 512 1024] [--json OUT]

The middle of the scene, as large as `--part`, is predicted in one window with 256 pixels of context around it; that is
what the model says. Then the same in windows of several sizes with halos of several widths. A wider halo brings them
together; what is left at the widest one comes from layers that see the whole window. Without MODEL and SCENE: the U-Net
of 7.8 M parameters with random weights on a synthetic scene.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from overland.bundle import load_bundle
from overland.geo.grid import Window
from overland.inference import (
    check_scene,
    default_window,
    mask_from_probabilities,
    model_classifier,
    open_engine,
    plan_windows,
    predict_array,
    wants_palette_colors,
)
from overland.raster import open_scene
from results import Row, json_option, origin, publish

_CONTEXT = 256


def main() -> None:
    """Predict, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=Path)
    parser.add_argument("scene", nargs="?", type=Path)
    parser.add_argument("--halos", type=int, nargs="+")
    parser.add_argument("--windows", type=int, nargs="+")
    parser.add_argument("--part", type=int, default=1024, help="side of the part that is compared, in pixels")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--quick", action="store_true", help="a part of 512 pixels, for a look")
    json_option(parser)
    options = parser.parse_args()
    if (options.model is None) != (options.scene is None):
        parser.error("give MODEL and SCENE, or neither")
    source = origin()
    with tempfile.TemporaryDirectory() as folder:
        model, scene = options.model, options.scene
        if model is None:
            from made import save_unet, write_scene  # only here is PyTorch needed

            model, scene = Path(folder) / "model", write_scene(Path(folder) / "scene.tif", 2048)
            save_unet(model)
        rows, engine = compare(model, scene, options)
    publish(
        options.json,
        source,
        title="Windows of other sizes",
        method="Labels flipped and the largest difference of a probability against one window over the whole part, by "
        "the side of the windows and the halo.",
        rows=rows,
        model=model.name,
        engine=engine,
    )


def compare(model: Path, path: Path, options: argparse.Namespace) -> tuple[list[Row], str]:
    """Compare windows of several sizes and halos with one window."""
    bundle = load_bundle(model)
    classifier = model_classifier(bundle, open_engine(bundle, options.engine, workers=1))
    divisor = bundle.size_divisor
    part = 512 if options.quick else options.part
    with open_scene(path, expand_palette=wants_palette_colors(bundle)) as scene:
        bands = check_scene(bundle, scene)
        side = min(part + 2 * _CONTEXT, scene.height, scene.width) // divisor * divisor
        window = Window(col_off=(scene.width - side) // 2, row_off=(scene.height - side) // 2, width=side, height=side)
        pixels, valid = scene.read(window, bands)
    inner = (..., *2 * (slice(_CONTEXT, side - _CONTEXT),))
    expected = classifier.classify(pixels, valid)[inner]
    labels = mask_from_probabilities(bundle, expected)
    known = valid[inner]
    rows: list[Row] = []
    for halo in options.halos or sorted({bundle.halo, 96, 192}):
        for chip in options.windows or (512, 768, default_window(bundle)):
            if chip <= 2 * halo + divisor:
                continue
            plan = plan_windows(side, side, chip_size=chip, halo=halo, divisor=divisor)
            found = predict_array(classifier, pixels, valid, plan, workers=1)[inner]
            flips = (mask_from_probabilities(bundle, found) != labels) & known
            rows.append(
                {
                    "halo": plan.rows.halo,
                    "window": plan.rows.chip,
                    "windows": plan.windows,
                    "model pixels": round(plan.overlap_overhead, 2),
                    "flipped, %": round(100 * float(flips.sum()) / max(1, int(known.sum())), 4),
                    "largest difference": round(float(np.abs(found - expected)[:, known].max()), 4),
                }
            )
            print(rows[-1], flush=True)
    return rows, classifier.engine.name


if __name__ == "__main__":
    main()
