"""overland predict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from overland.cli.console import Outcome, common_options, examples

__all__ = ["command"]


def _bands(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    if value is None:
        return None
    try:
        bands = tuple(int(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a list of band numbers such as 1,2,3.") from None
    if min(bands) < 1:
        raise click.BadParameter("Bands are counted from 1.")
    return bands


@click.command(
    "predict",
    epilog=examples(
        "overland predict runs/roads/weights/best scene.tif roads.tif",
        "overland predict MODEL naip.tif mask.tif -b 1,2,3 --scores scores.tif",
        "overland predict MODEL tiles/*.tif masks/",
        "overland predict MODEL huge.tif mask.tif --dry-run",
    ),
)
@click.argument("model", metavar="MODEL", type=click.Path())
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True)
@click.argument("output", metavar="OUTPUT", type=click.Path())
@click.option(
    "-b",
    "--bands",
    callback=_bands,
    metavar="1,2,3",
    help="Bands to read, counted from 1, in the order that the model wants.",
)
@click.option(
    "--scores", type=click.Path(), help="Write probabilities too: float32 GeoTIFF, NaN where there is no data."
)
@click.option(
    "--threshold", type=float, help="Smallest probability of class 1 in a two-class model [default: as tuned]."
)
@click.option(
    "--chip-size", type=int, help="Largest window in pixels; more is faster and takes more memory [default: 1536]."
)
@click.option("--overlap", type=int, help="Pixels that neighbouring windows share [default: what the model needs].")
@click.option("--engine", type=click.Choice(["auto", "onnx", "torch"]), default="auto", help="What runs the network.")
@click.option("--overwrite", is_flag=True, help="Replace outputs that exist.")
@click.option("--dry-run", is_flag=True, help="Write nothing; print windows, sizes, memory and time expected.")
@common_options
def command(**options: Any) -> Outcome:
    """Map scenes: write the class of each pixel of every INPUT.

    MODEL is a bundle folder. INPUT is any raster or image, of any size. OUTPUT is a .tif (a cloud-optimised GeoTIFF
    with colours, class names and the scene's CRS) or a .png; for several inputs it is a folder.
    """
    from overland.workflows.predict import predict

    values = predict(**options)
    return Outcome(values, _plan_text(values) if options["dry_run"] else _text(values))


def _text(values: Mapping[str, Any]) -> str:
    shares = ", ".join(f"{name} {share:.1%}" for name, share in values["class_shares"].items() if share is not None)
    lines = [
        f"{_sizes(values)} in {values['seconds']:.1f} s ({values['mpx_per_s']:.3g} Mpx/s, engine {values['engine']})",
        f"classes: {shares or 'none, there is no data'}; no data {values['nodata_share']:.1%}",
        f"Written: {values['output']}",
    ]
    return "\n".join(lines)


def _plan_text(values: Mapping[str, Any]) -> str:
    from overland.progress import format_seconds

    memory = "unknown" if values["memory_mb"] is None else f"about {values['memory_mb']:.0f} MB"
    scene = values["scenes"][0]
    chip_height, chip_width = scene["chip_size"]
    lines = [
        f"{_sizes(values)}, {values['redundancy']:.2f} model pixels for each of them",
        f"chips of {chip_height} x {chip_width} pixels that share {scene['overlap']}, bands {scene['bands']}",
        f"memory {memory}; output at most {values['output_mb_at_most']:.1f} MB",
        f"time about {format_seconds(values['seconds'])} ({values['mpx_per_s']:.3g} Mpx/s, engine {values['engine']})",
        "Nothing was written.",
    ]
    return "\n".join(lines)


def _sizes(values: Mapping[str, Any]) -> str:
    windows = "1 window" if values["windows"] == 1 else f"{values['windows']} windows"
    scenes = "" if len(values["scenes"]) == 1 else f"{len(values['scenes'])} scenes, "
    return f"{scenes}{values['megapixels']:.4g} Mpx, {windows}"
