"""overland data chips: cut a dataset into chips, once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import click

from overland.cli.console import Outcome, common_options, examples

__all__ = ["command"]


@click.command(
    epilog=examples(
        "overland data chips deepglobe-road chips --chip-size 512",
        "overland data chips massachusetts chips --chip-size 256 --min-foreground 0.01 --drop-blank",
        "overland train --data chips --imgsz 256",
    )
)
@click.argument("data", type=click.Path())
@click.argument("output", type=click.Path())
@click.option("--chip-size", type=int, required=True, help="Side of a chip in pixels.")
@click.option("--overlap", default=0, show_default=True, help="Pixels that neighbours share.")
@click.option(
    "--pad",
    type=click.Choice(["zero", "reflect", "none"]),
    default="zero",
    show_default=True,
    help="What fills a chip beyond the image's edge: zeros (nodata where the file has it), or the image mirrored; "
    "without a label in both. none: the last chip is moved back inside.",
)
@click.option(
    "--min-foreground",
    type=float,
    help="Drop chips of train with a smaller share of classes other than the background.",
)
@click.option(
    "--drop-blank", is_flag=True, help="Drop chips of which half or more is nodata, black or white, or of one value."
)
@click.option(
    "--val-share", default=0.2, show_default=True, help="Share of images for val where no val split is given."
)
@click.option("--seed", default=0, show_default=True, help="Seed of that split.")
@click.option("--overwrite", is_flag=True, help="Replace chips that are there already.")
@common_options
def command(
    data: str,
    output: str,
    chip_size: int,
    overlap: int,
    pad: Literal["zero", "reflect", "none"],
    min_foreground: float | None,
    drop_blank: bool,
    val_share: float,
    seed: int,
    overwrite: bool,
) -> Outcome:
    """Cut a dataset into chips of one size.

    OUTPUT becomes a folder that is itself a dataset: images/ and masks/ in the splits of DATA, data.yaml, and
    manifest.csv with the place of every chip and why it was dropped if it was. Chips are lossless: PNG, or GeoTIFF
    with the place on the ground where the image has one. Masks hold class ids, 255 for no label, whatever the masks of
    DATA held. Chips without any label are always dropped; chips of one scene are in one split.
    """
    from overland.workflows.prepare_chips import prepare_chips

    values = prepare_chips(
        data,
        output,
        chip_size=chip_size,
        overlap=overlap,
        pad=pad,
        min_foreground=min_foreground,
        drop_blank=drop_blank,
        val_share=val_share,
        seed=seed,
        overwrite=overwrite,
    )
    return Outcome(values, _text(values))


def _text(values: Mapping[str, Any]) -> str:
    lines = []
    for name, split in values["splits"].items():
        dropped = ", ".join(f"{count} {reason}" for reason, count in split["dropped"].items())
        lines.append(
            f"{name:6} {split['images']} images, {split['chips']} chips"
            + (f" ({split['padded']} padded)" if split["padded"] else "")
            + (f"; dropped: {dropped}" if dropped else "")
        )
    return "\n".join([*lines, f"Written to {values['output']}; train with --data {values['output']}."])
