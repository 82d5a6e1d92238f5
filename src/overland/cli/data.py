"""overland data: get a public dataset, look at a dataset before anything is trained on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from overland.cli import data_channels, data_chips, data_coco, data_download, data_encode
from overland.cli.console import Outcome, common_options, examples

__all__ = ["command"]

_BAD_DATA = 3
_NAME_WIDTH = 18


@click.group()
def command() -> None:
    """Get a public dataset; look at a dataset before anything is trained on it."""


@command.command(
    epilog=examples(
        "overland data check my-dataset",
        "overland data check my-dataset/data.yaml --json > findings.json",
    )
)
@click.argument("data", type=click.Path())
@click.option(
    "--val-share", default=0.2, show_default=True, help="Share of images for val where no val split is given."
)
@click.option("--seed", default=0, show_default=True, help="Seed of that split.")
@common_options
def check(data: str, val_share: float, seed: int) -> Outcome:
    """Profile a dataset and name what is wrong with it.

    DATA is a dataset YAML or a folder: images/ with masks/, scenes with X_labels.tif beside them, DeepGlobe,
    Massachusetts, CamVid, Cityscapes, channels of the managed cloud trainer.
    Looks at pairs, sizes, mask values, classes in each split, duplicates and scenes across splits, blank imagery,
    labels that lie elsewhere than their image or are shifted against it. Exits with 3 when anything is an error.
    """
    from overland.workflows.check_data import check_data

    values = check_data(data, val_share=val_share, seed=seed)
    return Outcome(values, _text(values), 0 if values["ok"] else _BAD_DATA)


command.add_command(data_download.command, "download")
command.add_command(data_chips.command, "chips")
command.add_command(data_coco.command, "from-coco")
command.add_command(data_channels.command, "to-channels")
command.add_command(data_encode.command, "encode")


def _text(values: Mapping[str, Any]) -> str:
    splits = values["splits"]
    lines = [
        f"{values['path']}: {values['layout']}",
        "",
        *_split_lines(splits),
        *_class_lines(splits, values["classes"]),
    ]
    said = " ".join(finding["message"] for finding in values["findings"])
    lines += ["", *(f"note: {note}" for note in values["notes"] if note not in said)]
    lines += [f"{finding['severity']}: {finding['code']}: {finding['message']}" for finding in values["findings"]]
    return "\n".join([*lines, _verdict(values)])


def _split_lines(splits: Mapping[str, Mapping[str, Any]]) -> list[str]:
    lines = []
    for name, split in splits.items():
        kinds = f"{_few(split['sizes'])} px, {_few(split['bands'])} bands, {_few(split['dtypes'])}"
        masks = _values(split)
        lines.append(f"{name:{_NAME_WIDTH}} {split['images']} images, {split['labelled']} with mask: {kinds}{masks}")
    return lines


def _values(split: Mapping[str, Any]) -> str:
    shares = split["mask_values"]
    if not shares:
        return ""
    shown = ", ".join(f"{value} {share:.1%}" for value, share in list(shares.items())[:4])
    rest = split["mask_values_count"] - min(len(shares), 4)
    return f"; mask values {shown}" + (f" and {rest} more" if rest > 0 else "")


def _class_lines(splits: Mapping[str, Mapping[str, Any]], classes: list[str] | None) -> list[str]:
    labelled = {name: split for name, split in splits.items() if split["labelled"] and "class_shares" in split}
    if not classes or not labelled:
        return []
    header = f"{'class':{_NAME_WIDTH}} " + "".join(f"{name + ' share':>14}{'images':>8}" for name in labelled)
    lines = ["", header]
    for label in classes:
        cells = (
            f"{split['class_shares'][label]:>14.2%}{split['class_images'][label]:>8}" for split in labelled.values()
        )
        lines.append(f"{label:{_NAME_WIDTH}} " + "".join(cells))
    ignored = "".join(f"{split['ignored_share']:>14.2%}{'':>8}" for split in labelled.values())
    return [*lines, f"{'(no label)':{_NAME_WIDTH}} {ignored}".rstrip()]


def _few(counts: Mapping[str, int]) -> str:
    names = list(counts)
    return " and ".join(names) if len(names) <= 2 else f"{len(names)} kinds ({names[0]} most)"


def _verdict(values: Mapping[str, Any]) -> str:
    errors, warnings = values["errors"], values["warnings"]
    counted = f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}"
    return f"{counted}: " + ("ready for training." if values["ok"] else "correct the errors first.")
