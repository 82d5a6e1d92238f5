"""overland data to-channels: a dataset for the managed cloud trainer."""

from __future__ import annotations

import click

from overland.cli.console import Outcome, common_options, examples

__all__ = ["command"]


@click.command(
    epilog=examples(
        "overland data to-channels my-dataset channels",
        "overland data chips my-dataset chips --chip-size 512 && overland data to-channels chips channels",
    )
)
@click.argument("data", type=click.Path())
@click.argument("output", type=click.Path())
@click.option("--quality", default=95, show_default=True, help="JPEG quality of images that are no JPEG yet.")
@click.option(
    "--val-share", default=0.2, show_default=True, help="Share of images for val where no val split is given."
)
@click.option("--seed", default=0, show_default=True, help="Seed of that split.")
@click.option("--overwrite", is_flag=True, help="Replace channels that were written before.")
@common_options
def command(data: str, output: str, quality: int, val_share: float, seed: int, overwrite: bool) -> Outcome:
    """Write a dataset as the managed cloud trainer takes it.

    OUTPUT gets the channels train/, train_annotation/, validation/ and validation_annotation/ with JPEG images and
    8-bit PNG masks of one stem, label_map/, and class_names.json beside them. Masks hold class ids, 255 is ignored.
    Overland reads the folder back as a dataset.
    """
    from overland.workflows.prepare_channels import prepare_channels

    values = prepare_channels(data, output, quality=quality, val_share=val_share, seed=seed, overwrite=overwrite)
    lines = [f"{channel:10} {count} images" for channel, count in values["images"].items()]
    hyperparameters = ", ".join(f"{name}={value}" for name, value in values["hyperparameters"].items())
    return Outcome(values, "\n".join([*lines, f"Written to {output}; hyperparameters: {hyperparameters}."]))
