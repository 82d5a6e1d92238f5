"""overland data download: a public dataset, from where it is published to a folder that is ready for training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from overland.cli.console import Outcome, common_options, examples

__all__ = ["command"]


@click.command(
    epilog=examples(
        "overland data download deepglobe-road -o deepglobe-road",
        "overland data download camvid --json",
        "overland data download massachusetts-roads --archive ~/Downloads/archive.zip",
    )
)
@click.argument("name")
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    help="Folder for the dataset; NAME if left out (for cityscapes what CITYSCAPES_DATASET names).",
)
@click.option(
    "--archive",
    "archives",
    type=click.Path(),
    multiple=True,
    help="A file that was downloaded by hand, used in place of the network; may be given several times.",
)
@click.option("--overwrite", is_flag=True, help="Replace an earlier download in the folder.")
@common_options
def command(name: str, output: str | None, archives: tuple[str, ...], overwrite: bool) -> Outcome:
    """Download a public dataset and unpack it.

    NAME is deepglobe-road, deepglobe-landcover or massachusetts-roads (from Kaggle), cityscapes (through csDownload,
    account needed) or camvid (SegNet's, from GitHub). A download that was cut goes on where it was when the command is
    run again. A dataset that is there already is only read. Archives that lie in the folder are used.
    """
    from overland.workflows.download import download_data

    values = download_data(name, output, archives=archives, overwrite=overwrite)
    return Outcome(values, _text(values))


def _text(values: Mapping[str, Any]) -> str:
    state = "downloaded" if values["downloaded"] else "there already"
    splits = ", ".join(
        f"{name} {count}" + ("" if values["labelled"][name] else " (no labels)")
        for name, count in values["images"].items()
    )
    return "\n".join(
        [
            f"{values['folder']}: {values['dataset']}, {state}",
            f"{values['layout']}; images: {splits}; classes: {', '.join(values['classes'])}",
            *(f"note: {note}" for note in values["notes"]),
            f"terms: {values['terms']} ({values['source']})",
            "Next:",
            *(f"  {line}" for line in values["next"]),
        ]
    )
