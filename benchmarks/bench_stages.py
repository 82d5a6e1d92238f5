"""What each stage of a prediction costs: million pixels a second of one core, measured alone.

    python benchmarks/bench_stages.py [--classes 5] [--chip-size 1536] [--engine auto] [--json OUT]

Time is that of the processor over all threads, so that stages that use both cores are not flattered. Stages before the
scores leave the blend work on windows, which overlap; those after it work on the raster.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engine_time import chips_of_scene, seconds_per_window
from made import save_unet, write_scene
from overland.bundle import ModelBundle, load_bundle
from overland.inference import open_engine, plan_windows
from overland.inference.blend import Blend
from overland.inference.probabilities import mask_from_probabilities, probabilities_from_logits, scale_pixels
from overland.raster import Scene, Window, open_scene
from overland.raster.journal import open_journal
from overland.raster.row_blocks import RowBlocks, RowBlocksOutput, iter_row_blocks
from overland.raster.write import RasterProfile
from results import Row, json_option, origin, publish

_ROUNDS = 3
_LOT = 512


def main() -> None:
    """Measure each stage and print a line for it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, default=5)
    parser.add_argument("--side", type=int, default=4096, help="height and width of the made raster in pixels")
    parser.add_argument("--chip-size", type=int, default=1536)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--quick", action="store_true", help="a small raster and window, for a look")
    json_option(parser)
    options = parser.parse_args()
    if options.quick:
        options.side, options.chip_size = 1024, 512
    source = origin()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_unet(folder / "model", classes=options.classes)
        scene = write_scene(folder / "scene.tif", options.side)
        chip = (options.chip_size, options.chip_size)
        rows = stage_rows(folder / "model", scene, options.engine, options.precision, chip)
    publish(
        options.json,
        source,
        title="Stages of a prediction",
        method=f"Million pixels a second of one core, each stage alone: three bands of bytes, {options.classes} "
        f"classes, windows of {options.chip_size} pixels, deflated and tiled GeoTIFF in and out.",
        rows=rows,
    )


def stage_rows(model: Path, path: Path, engine: str, precision: str, chip: tuple[int, int]) -> list[Row]:
    """A row for each stage, in the order of a prediction; chip is the height and width of a window."""
    bundle = load_bundle(model)
    with open_scene(path) as scene:
        chips = chips_of_scene(scene, bundle.bands, chip)
        chip = chips[0].shape[1:]
        scaled = scale_pixels(bundle, chips[0])
        logits = np.random.default_rng(0).normal(size=(1, bundle.num_outputs, *chip)).astype(np.float32)
        scores = probabilities_from_logits(bundle, logits)[0]
        return [
            _row("read", "raster", _megapixels(scene), _median_seconds(lambda: _read(path))),
            _window_row("scale", chip, lambda: scale_pixels(bundle, chips[0])),
            engine_row(bundle, engine, precision, scaled),
            _window_row(bundle.activation, chip, lambda: probabilities_from_logits(bundle, logits)),
            blend_row(bundle, scene, chip, scores),
            *decide_and_write_rows(bundle, scene, scores, path.with_name("stages.tif")),
        ]


def engine_row(bundle: ModelBundle, engine: str, precision: str, chip: npt.NDArray[np.float32]) -> Row:
    """The network itself, at the engine's own number of streams."""
    runner = open_engine(bundle, engine, precision=precision)
    found = seconds_per_window(runner, [chip[None]], calls=_ROUNDS)
    name = f"engine ({runner.name} {runner.precision})"
    return _row(name, "windows", chip[0].size / 1e6, found["processor_seconds"])


def blend_row(bundle: ModelBundle, scene: Scene, chip: tuple[int, int], scores: npt.NDArray[np.float32]) -> Row:
    """Weighing and adding the windows of two rows of a raster, and handing out its rows."""
    halo, divisor = bundle.halo, bundle.size_divisor
    height, width = 2 * (chip[0] - 2 * halo), scene.width
    plan = plan_windows(height, width, chip_size=chip[0], halo=halo, divisor=divisor)
    part = scores[:, : plan.rows.chip, : plan.cols.chip].copy()

    def blend() -> None:
        rows = Blend(plan, bundle.num_outputs, Window(col_off=0, row_off=0, width=width, height=height))
        for row in range(plan.rows.count):
            rows.open_row(row)
            for col in range(plan.cols.count):
                rows.add(part, row, col)
            rows.take(row)

    return _row("blend", "windows", plan.megapixels * plan.overlap_overhead, _median_seconds(blend))


def decide_and_write_rows(
    bundle: ModelBundle, scene: Scene, scores: npt.NDArray[np.float32], output: Path
) -> list[Row]:
    """From scores to the finished file: classes, bands of rows that outlive a crash, the cloud-optimised GeoTIFF."""
    times = np.array([_write_seconds(bundle, scene, scores, output) for _ in range(_ROUNDS)])
    names = ("threshold" if bundle.num_outputs == 1 else "argmax", "write bands", "assemble the COG")
    middle = np.median(times, axis=0)
    return [_row(name, "raster", _megapixels(scene), seconds) for name, seconds in zip(names, middle, strict=True)]


def _write_seconds(
    bundle: ModelBundle, scene: Scene, scores: npt.NDArray[np.float32], output: Path
) -> tuple[float, float, float]:
    profile = RasterProfile(scene.grid, nodata=bundle.legend.ignore_index, legend=bundle.legend)
    decide_s = write_s = 0.0
    with open_journal(output, {"benchmark": "stages"}, overwrite=True) as journal:
        bands = RowBlocks(journal, {"mask": RowBlocksOutput(output, profile)})
        for row, end in iter_row_blocks(scene.height):
            lot = np.resize(scores[:, : end - row], (bundle.num_outputs, end - row, scene.width))
            started = time.process_time()
            mask = mask_from_probabilities(bundle, lot)
            decided = time.process_time()
            bands.write(row, {"mask": mask[None]}, {})
            decide_s, write_s = decide_s + decided - started, write_s + time.process_time() - decided
        assemble_s = _seconds(bands.assemble)
        journal.remove()
    return decide_s, write_s, assemble_s


def _read(path: Path) -> None:
    # Opened each time: GDAL's cache would serve a raster that is read again.
    with open_scene(path) as scene:
        for row, end in iter_row_blocks(scene.height):
            scene.read(Window(col_off=0, row_off=row, width=scene.width, height=end - row))


def _window_row(name: str, chip: tuple[int, int], work: Callable[[], Any]) -> Row:
    return _row(name, "windows", chip[0] * chip[1] / 1e6, _median_seconds(work))


def _row(name: str, pixels_of: str, megapixels: float, seconds: float) -> Row:
    return {"stage": name, "of": pixels_of, "Mpx/s a core": float(f"{megapixels / seconds:.3g}")}


def _median_seconds(work: Callable[[], Any]) -> float:
    return statistics.median(_seconds(work) for _ in range(_ROUNDS))


def _seconds(work: Callable[[], Any]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def _megapixels(scene: Scene) -> float:
    return scene.height * scene.width / 1e6


if __name__ == "__main__":
    main()
