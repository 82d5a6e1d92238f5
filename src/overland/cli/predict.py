"""`overland predict`: map scenes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from overland.cli.signature import command_from

if TYPE_CHECKING:
    from overland.workflows.predict import PredictResult

__all__ = ["command", "show"]


def show(result: PredictResult) -> str:
    """Return the maps and their classes.

    Args:
        result: The result of the verb.

    Returns:
        Lines for a terminal.
    """
    windows = "1 window" if result.windows == 1 else f"{result.windows} windows"
    scenes = "" if len(result.scenes) == 1 else f"{len(result.scenes)} scenes, "
    sizes = f"{scenes}{result.megapixels:.4g} Mpx, {windows}"
    rate = f"{result.mpx_per_s:.3g} Mpx/s, engine {result.engine}, {result.precision} on {result.device}"
    if result.dry_run:
        from overland.progress import format_seconds

        scene = result.scenes[0]
        chip_height, chip_width = scene.chip_size
        lines = [
            f"{sizes}, {result.overlap_overhead:.2f} model pixels for each of them",
            f"windows of {chip_height} x {chip_width} pixels with {scene.overlap} in common, {result.workers} at once, "
            f"bands {scene.bands}",
            f"memory about {result.memory_mb:.0f} MB; output at most {result.output_mb_at_most:.1f} MB",
            f"time about {format_seconds(result.seconds)} ({rate})",
            "Nothing was written.",
        ]
        return "\n".join(lines)
    fractions = ", ".join(
        f"{name} {fraction:.1%}" for name, fraction in result.class_fractions.items() if fraction is not None
    )
    lines = [
        f"{sizes} in {result.seconds:.1f} s ({rate})",
        f"classes: {fractions or 'none, there is no data'}; no data {result.nodata_fraction:.1%}",
        f"Written: {result.output}",
    ]
    return "\n".join(lines)


command = command_from(
    "overland.workflows.predict:predict",
    show=show,
    examples=(
        "overland predict roads scene.tif roads.tif",
        "overland predict runs/roads/weights/best scene.tif roads.tif",
        "overland predict MODEL naip.tif mask.tif -b 1,2,3 --probabilities probabilities.tif",
        "overland predict MODEL tiles/*.tif masks/",
        "overland predict MODEL state.vrt town.tif --area town.gpkg",
        "overland predict MODEL https://example.com/scene.tif mask.tif --bounds 5.1,50.2,5.3,50.4",
        "overland predict MODEL huge.tif mask.tif --dry-run",
    ),
    flags={"with_models": "--with", "creation": "--co"},
    metavars={"scenes": "SCENE...", "bands": "1,2,3", "max_memory": "4GB", "with_models": "MODEL"},
    types={"engine": click.Choice(["auto", "openvino", "onnx", "torch"]), "max_memory": click.STRING},
    skip=("on_progress",),
    groups={
        "Part and bands": ("bands", "nodata", "bounds", "area"),
        "Decision": ("threshold", "with_models", "tta"),
        "More outputs": ("probabilities", "confidence", "creation", "overwrite", "dry_run"),
        "Speed and memory": ("engine", "precision", "max_memory"),
        "Windows": ("resample", "chip_size", "overlap"),
    },
)
