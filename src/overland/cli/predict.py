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


def _bounds(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[float, ...] | None:
    if value is None:
        return None
    try:
        return tuple(float(part) for part in value.replace(",", " ").split())
    except ValueError:
        raise click.BadParameter(f"{value!r} is not four numbers such as '5 50 6 51'.") from None


def _creation(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    for name, sign, value in pairs:
        if not (name and sign and value):
            raise click.BadParameter(f"{name + sign + value!r} is not NAME=VALUE.")
    return {name: value for name, _, value in pairs}


class _FourNumbers(click.Command):
    """Takes --bounds as one word of four numbers, as rio does, and as four words."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Join the four words that follow --bounds to one."""
        for index, word in enumerate(args):
            following = args[index + 1 : index + 5]
            if word == "--bounds" and len(following) == 4 and all(_is_number(each) for each in following):
                args = [*args[: index + 1], " ".join(following), *args[index + 5 :]]
                break
        return super().parse_args(ctx, args)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


@click.command(
    "predict",
    cls=_FourNumbers,
    epilog=examples(
        "overland predict roads scene.tif roads.tif",
        "overland predict runs/roads/weights/best scene.tif roads.tif",
        "overland predict MODEL naip.tif mask.tif -b 1,2,3 --scores scores.tif",
        "overland predict MODEL tiles/*.tif masks/",
        "overland predict MODEL state.vrt town.tif --area town.gpkg",
        "overland predict MODEL https://example.com/scene.tif mask.tif --bounds '5.1 50.2 5.3 50.4'",
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
@click.option("--nodata", type=float, help="Value of INPUT that means no data [default: what the file says].")
@click.option(
    "--bounds",
    callback=_bounds,
    metavar="'LEFT BOTTOM RIGHT TOP'",
    help="Map this rectangle only, in the CRS of INPUT.",
)
@click.option(
    "--area", type=click.Path(), help="Map the polygons of this vector file only, in any CRS; no data around them."
)
@click.option("--scores", type=click.Path(), help="Write probabilities too: GeoTIFF, NaN where there is no data.")
@click.option(
    "--confidence",
    type=click.Path(),
    help="Write the largest probability and the entropy (0 certain, 1 knows nothing) too.",
)
@click.option(
    "--threshold", type=float, help="Smallest probability of class 1 in a two-class model [default: as tuned]."
)
@click.option(
    "--with",
    "with_models",
    type=click.Path(),
    multiple=True,
    metavar="MODEL",
    help="Average with this model; may be given several times.",
)
@click.option(
    "--tta",
    type=click.Choice(["flips", "d4"]),
    help="Average over mirrored windows (flips: 4 times the work), and turned ones (d4: 8 times).",
)
@click.option(
    "--engine",
    type=click.Choice(["auto", "openvino", "onnx", "torch"]),
    default="auto",
    help="What runs the network [default: the fastest that is here].",
)
@click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "fp16", "bf16", "int8"]),
    default="auto",
    help="Kind of numbers [default: fp32 on a processor, fp16 on a GPU].",
)
@click.option(
    "--resample",
    type=click.Choice(["auto", "off"]),
    default="auto",
    help="Bring INPUT to the resolution that the model knows, for the network alone [default: where it differs].",
)
@click.option(
    "--max-memory", metavar="4GB", help="Memory to stay below; decides the window [default: half of what is free]."
)
@click.option("--chip-size", type=int, help="Largest window in pixels [default: what --max-memory allows].")
@click.option("--overlap", type=int, help="Pixels that neighbouring windows share [default: what the model needs].")
@click.option(
    "--co",
    "creation",
    multiple=True,
    callback=_creation,
    metavar="NAME=VALUE",
    help="Creation option of GDAL's driver COG, such as COMPRESS=ZSTD.",
)
@click.option("--overwrite", is_flag=True, help="Replace outputs that exist, and unfinished work of another run.")
@click.option("--dry-run", is_flag=True, help="Write nothing; print windows, sizes, memory and time expected.")
@common_options
def command(**options: Any) -> Outcome:
    """Map scenes: write the class of each pixel of every INPUT.

    MODEL is a bundle, the folder of a run, or the name of a model in the box (overland models). INPUT is any raster or
    image, of any size, or the URL of one (https, s3). OUTPUT is a .tif (a cloud-optimised GeoTIFF with colours, class
    names and the scene's CRS) or a .png; for several inputs it is a folder.

    A run that was stopped, however, continues with the same command: finished rows are kept in OUTPUT.part.
    """
    from overland.workflows.predict import predict

    values = predict(**options)
    return Outcome(values, _plan_text(values) if options["dry_run"] else _text(values))


def _text(values: Mapping[str, Any]) -> str:
    shares = ", ".join(f"{name} {share:.1%}" for name, share in values["class_fractions"].items() if share is not None)
    lines = [
        f"{_sizes(values)} in {values['seconds']:.1f} s ({_rate(values)})",
        f"classes: {shares or 'none, there is no data'}; no data {values['nodata_share']:.1%}",
        f"Written: {values['output']}",
    ]
    return "\n".join(lines)


def _plan_text(values: Mapping[str, Any]) -> str:
    from overland.progress import format_seconds

    scene = values["scenes"][0]
    chip_height, chip_width = scene["chip_size"]
    lines = [
        f"{_sizes(values)}, {values['redundancy']:.2f} model pixels for each of them",
        f"chips of {chip_height} x {chip_width} pixels that share {scene['overlap']}, bands {scene['bands']}",
        f"memory about {values['memory_mb']:.0f} MB; output at most {values['output_mb_at_most']:.1f} MB",
        f"time about {format_seconds(values['seconds'])} ({_rate(values)})",
        "Nothing was written.",
    ]
    return "\n".join(lines)


def _sizes(values: Mapping[str, Any]) -> str:
    windows = "1 window" if values["windows"] == 1 else f"{values['windows']} windows"
    scenes = "" if len(values["scenes"]) == 1 else f"{len(values['scenes'])} scenes, "
    return f"{scenes}{values['megapixels']:.4g} Mpx, {windows}"


def _rate(values: Mapping[str, Any]) -> str:
    return f"{values['mpx_per_s']:.3g} Mpx/s, engine {values['engine']}, {values['precision']} on {values['device']}"
