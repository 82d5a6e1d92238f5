"""overland data encode: a class map in a dataset's own values or colours."""

from __future__ import annotations

import click

from overland.cli.console import Outcome, common_options, examples

__all__ = ["command"]


@click.command(
    epilog=examples(
        "overland data encode predicted.png aachen_000000_000019_gtFine_labelIds.png --like cityscapes",
        "overland data encode predicted.tif 10233_mask.png --like deepglobe-landcover",
    )
)
@click.argument("mask", type=click.Path())
@click.argument("output", type=click.Path())
@click.option("--like", type=click.Path(), required=True, help="The dataset whose values or colours are written.")
@click.option("--overwrite", is_flag=True, help="Replace an output that exists.")
@common_options
def command(mask: str, output: str, like: str, overwrite: bool) -> Outcome:
    """Write a class map as a dataset stores its masks.

    MASK is a class map of ids, as `overland predict` writes it; OUTPUT (.png or .tif) gets label ids for Cityscapes,
    colours for DeepGlobe, 0 and 255 for roads so stored: what a benchmark's own tools read. Classes go by name where
    MASK has names.
    """
    from overland.workflows.encode_mask import encode_mask

    values = encode_mask(mask, output, like=like, overwrite=overwrite)
    codes = ", ".join(f"{name} {code}" for name, code in values["codes"].items())
    return Outcome(values, f"{output}: {codes}.")
