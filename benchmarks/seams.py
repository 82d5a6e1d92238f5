"""Do seams between windows show? The same scene with the grid of windows at (0, 0) and moved by half a stride.

    python benchmarks/seams.py [MODEL SCENE] [--chip-size 512] [--engine auto] [--json OUT]

Where windows blend without a trace the two class maps are equal. Counted are the labels that flip, on seams (where two
windows have weight, in either grid) and off them; and those that differ from a prediction in one window, on a part of
the scene that fits into one. Without MODEL and SCENE: a made scene and the U-Net of 7.8 M parameters, random weights.
Windows of 512 pixels give more seams than the large ones of everyday work.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.bundle import ModelBundle, load_bundle
from overland.inference import (
    Axis,
    PixelClassifier,
    Plan,
    check_scene,
    model_classifier,
    open_engine,
    plan_windows,
    predict_array,
    predict_scene,
    wants_palette_colors,
)
from overland.inference.probabilities import mask_from_probabilities
from overland.raster import Scene, Window, open_scene
from results import Row, json_option, origin, publish

Mask = npt.NDArray[np.uint8]
Valid = npt.NDArray[np.bool_]

# A window of this size and its activations fit into a few GB for the networks at hand.
_ONE_WINDOW = 1024


def main() -> None:
    """Predict, compare, print."""
    options = _options()
    source = origin()
    with tempfile.TemporaryDirectory() as folder:
        model, path = _inputs(options, Path(folder))
        bundle = load_bundle(model)
        scorer = model_classifier(bundle, open_engine(bundle, options.engine, precision=options.precision))
        with open_scene(path, expand_palette=wants_palette_colors(bundle)) as scene:
            bands = check_scene(bundle, scene)
            rows = [
                *moved_grid(bundle, scorer, scene, bands, options.chip_size),
                one_window(bundle, scorer, scene, bands, options.chip_size),
            ]
    publish(
        options.json,
        source,
        title="Seams between windows",
        method=f"The class map with the grid of windows at (0, 0) against the grid moved by half a stride; windows of "
        f"{options.chip_size} pixels with a halo of {bundle.halo}; and against one window.",
        rows=rows,
        model=options.model.name if options.model else "made",
        engine=scorer.engine.name,
        precision=scorer.engine.precision,
    )


def moved_grid(
    bundle: ModelBundle, scorer: PixelClassifier, scene: Scene, bands: Sequence[int], chip_size: int
) -> list[Row]:
    """Flips between two grids of windows: everywhere, on seams and off them."""
    still = _plan(bundle, scene, chip_size)
    moved = _plan(bundle, scene, chip_size, (still.rows.stride // 2, still.cols.stride // 2))
    first, valid = mask_of_scene(bundle, scorer, scene, bands, still)
    second, _ = mask_of_scene(bundle, scorer, scene, bands, moved)
    seams = on_seams(still) | on_seams(moved)
    flips = first != second
    places = {"all": valid, "on seams": valid & seams, "off seams": valid & ~seams}
    return [_row(f"moved grid, {name}", flips, where) for name, where in places.items()]


def one_window(bundle: ModelBundle, scorer: PixelClassifier, scene: Scene, bands: Sequence[int], chip_size: int) -> Row:
    """Flips between many windows and one, on the upper left part of a scene."""
    part = Window(col_off=0, row_off=0, width=min(_ONE_WINDOW, scene.width), height=min(_ONE_WINDOW, scene.height))
    pixels, valid = scene.read(part, bands)
    plans = [
        plan_windows(part.height, part.width, chip_size=size, **_grid_settings(bundle))
        for size in (chip_size, _ONE_WINDOW + 4 * bundle.halo)
    ]
    masks = [mask_from_probabilities(bundle, predict_array(scorer, pixels, valid, plan)) for plan in plans]
    return _row(f"one window, {part.height} x {part.width}", masks[0] != masks[1], valid)


def mask_of_scene(
    bundle: ModelBundle, scorer: PixelClassifier, scene: Scene, bands: Sequence[int], plan: Plan
) -> tuple[Mask, Valid]:
    """The class map of a scene, in memory, and where it holds data."""
    mask = np.zeros((scene.height, scene.width), np.uint8)
    valid = np.zeros(mask.shape, bool)

    def write(window: Window, scores: npt.NDArray[np.float32], data: Valid) -> None:
        mask[window.slices] = mask_from_probabilities(bundle, scores)
        valid[window.slices] = data

    predict_scene(scorer, scene, bands, plan, write)
    return mask, valid


def on_seams(plan: Plan) -> Valid:
    """Where two windows or more have weight (height, width)."""
    return _shared(plan.rows)[:, None] | _shared(plan.cols)


def _shared(axis: Axis) -> Valid:
    shared = np.ones(axis.length, bool)
    for index in range(axis.count):
        first, end = axis.alone(index)
        shared[first : max(first, end)] = False
    return shared


def _row(name: str, flips: Valid, where: Valid) -> Row:
    pixels, flipped = int(where.sum()), int((flips & where).sum())
    return {"compared": name, "pixels": pixels, "flips": flipped, "share, %": 100 * flipped / max(pixels, 1)}


def _plan(bundle: ModelBundle, scene: Scene, chip_size: int, offset: tuple[int, int] = (0, 0)) -> Plan:
    return plan_windows(scene.height, scene.width, chip_size=chip_size, offset=offset, **_grid_settings(bundle))


def _grid_settings(bundle: ModelBundle) -> dict[str, Any]:
    return {"halo": bundle.halo, "divisor": bundle.size_divisor}


def _inputs(options: argparse.Namespace, folder: Path) -> tuple[Path, Path]:
    if options.model:
        return options.model, options.scene
    from made import save_unet, write_scene  # only here is PyTorch needed

    save_unet(folder / "model")
    return folder / "model", write_scene(folder / "scene.tif", 1024 if options.quick else 2048)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=Path)
    parser.add_argument("scene", nargs="?", type=Path)
    parser.add_argument("--chip-size", type=int, default=512)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--quick", action="store_true", help="a small made scene, for a look")
    json_option(parser)
    options = parser.parse_args()
    if (options.model is None) != (options.scene is None):
        parser.error("give MODEL and SCENE, or neither")
    return options


if __name__ == "__main__":
    main()
