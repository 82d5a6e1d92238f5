"""`overland data`: get a public dataset, check one, and prepare one for training."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from overland.cli.signature import command_from

if TYPE_CHECKING:
    from overland.datasets.check import SplitProfile
    from overland.workflows.check_data import CheckDataResult
    from overland.workflows.download import DownloadResult
    from overland.workflows.encode_mask import EncodeMaskResult
    from overland.workflows.prepare_channels import PrepareChannelsResult
    from overland.workflows.prepare_chips import PrepareChipsResult
    from overland.workflows.prepare_coco import PrepareCocoResult

__all__ = ["command", "show_channels", "show_check", "show_chips", "show_coco", "show_download", "show_encode"]

logger = logging.getLogger(__name__)

_BAD_DATA = 3
_NAME_WIDTH = 18
_FEW_VALUES = 4


@click.group()
def command() -> None:
    """Get a public dataset, check it, prepare it for training."""


def show_download(result: DownloadResult) -> str:
    """Return the folder of the dataset and its images.

    Args:
        result: The result of the verb.

    Returns:
        Lines for a terminal.
    """
    state = "downloaded" if result.downloaded else "there already"
    splits = ", ".join(
        f"{name} {count}" + ("" if result.labelled[name] else " (no labels)") for name, count in result.images.items()
    )
    return "\n".join(
        [
            f"{result.folder}: {result.dataset}, {state}",
            f"{result.layout}; images: {splits}; classes: {', '.join(result.classes)}",
            *(f"note: {note}" for note in result.notes),
            f"terms: {result.terms} ({result.source})",
            "Next:",
            *(f"  {line}" for line in result.next),
        ]
    )


def show_check(result: CheckDataResult) -> str:
    """Return the issues of a dataset.

    Args:
        result: The result of the verb.

    Returns:
        Lines for a terminal.
    """
    issues = [f"{issue.severity}: {issue.code}: {issue.message}" for issue in result.issues]
    if click.get_current_context().params.get("as_json"):
        # JSON mostly goes to a file; whoever looks at the terminal or at a log is told all the same.
        for issue, line in zip(result.issues, issues, strict=True):
            if issue.severity != "info":
                logger.warning("%s", line)
    lines = [f"{result.path}: {result.layout}", ""]
    for name, split in result.splits.items():
        kinds = f"{_few(split.sizes)} px, {_few(split.bands)} bands, {_few(split.dtypes)}"
        line = f"{name:{_NAME_WIDTH}} {split.images} images, {split.labelled} with mask: {kinds}"
        if split.mask_values:
            shown = list(split.mask_values.items())[:_FEW_VALUES]
            line += "; mask values " + ", ".join(f"{value} {fraction:.1%}" for value, fraction in shown)
            rest = split.mask_values_count - len(shown)
            line += f" and {rest} more" if rest > 0 else ""
        lines.append(line)
    lines += _class_lines(result.splits, result.classes)
    said = " ".join(issues)
    lines += ["", *(f"note: {note}" for note in result.notes if note not in said), *issues]
    counted = (
        f"{result.errors} error{'s' * (result.errors != 1)}, {result.warnings} warning{'s' * (result.warnings != 1)}"
    )
    verdict = "correct the errors first." if result.errors else "ready for training."
    if result.warnings and not result.errors:
        verdict = "ready for training; look at the warnings first."
    return "\n".join([*lines, f"{counted}: {verdict}"])


def _few(counts: Mapping[str, int]) -> str:
    names = list(counts)
    return " and ".join(names) if len(names) <= 2 else f"{len(names)} kinds ({names[0]} most)"


def _class_lines(splits: Mapping[str, SplitProfile], classes: tuple[str, ...] | None) -> list[str]:
    labelled = {name: split for name, split in splits.items() if split.labelled and split.class_fractions}
    if not classes or not labelled:
        return []
    header = f"{'class':{_NAME_WIDTH}} " + "".join(f"{name:>14}{'images':>8}" for name in labelled)
    lines = ["", header]
    for label in classes:
        cells = (f"{split.class_fractions[label]:>14.2%}{split.class_images[label]:>8}" for split in labelled.values())
        lines.append(f"{label:{_NAME_WIDTH}} " + "".join(cells))
    ignored = "".join(f"{split.ignored_fraction:>14.2%}{'':>8}" for split in labelled.values())
    return [*lines, f"{'(no label)':{_NAME_WIDTH}} {ignored}".rstrip()]


def show_chips(result: PrepareChipsResult) -> str:
    """Return the chips of each split.

    Args:
        result: The result of the verb.

    Returns:
        Lines for a terminal.
    """
    lines = []
    for name, split in result.splits.items():
        dropped = ", ".join(f"{count} {reason}" for reason, count in split.dropped.items())
        lines.append(
            f"{name:6} {split.images} images, {split.chips} chips"
            + (f" ({split.padded} padded)" if split.padded else "")
            + (f"; dropped: {dropped}" if dropped else "")
        )
    return "\n".join([*lines, f"Written to {result.output}; train with --data {result.output}."])


def show_coco(result: PrepareCocoResult) -> str:
    """Return the images of each split.

    Args:
        result: The result of the verb.

    Returns:
        Lines for a terminal.
    """
    lines = []
    for name, split in result.splits.items():
        fractions = ", ".join(f"{label} {fraction:.1%}" for label, fraction in split.class_fractions.items())
        lines.append(f"{name:6} {split.images} images: {fractions}")
    return "\n".join([*lines, f"Written to {result.output}; look at it with `overland data check {result.output}`."])


def show_channels(result: PrepareChannelsResult) -> str:
    """Return the images of each channel.

    Args:
        result: The result of the verb.

    Returns:
        Lines for a terminal.
    """
    lines = [f"{channel:10} {count} images" for channel, count in result.images.items()]
    hyperparameters = ", ".join(f"{name}={value}" for name, value in result.hyperparameters.items())
    return "\n".join([*lines, f"Written to {result.output}; hyperparameters: {hyperparameters}."])


def show_encode(result: EncodeMaskResult) -> str:
    """Return the codes of the classes.

    Args:
        result: The result of the verb.

    Returns:
        Lines for a terminal.
    """
    codes = ", ".join(
        f"{name} {list(code) if isinstance(code, tuple) else code}" for name, code in result.codes.items()
    )
    return f"{result.output}: {codes}."


_COMMANDS: tuple[click.Command, ...] = (
    command_from(
        "overland.workflows.download:download",
        show=show_download,
        flags={"archives": "--archive"},
        examples=(
            "overland data download deepglobe-road -o deepglobe-road",
            "overland data download camvid --json",
            "overland data download massachusetts-roads --archive ~/Downloads/archive.zip",
        ),
    ),
    command_from(
        "overland.workflows.check_data:check_data",
        name="check",
        show=show_check,
        exit_code=lambda result: 0 if result.ok else _BAD_DATA,
        examples=(
            "overland data check my-dataset",
            "overland data check my-dataset/data.yaml --json > issues.json",
        ),
    ),
    command_from(
        "overland.workflows.prepare_chips:prepare_chips",
        name="chips",
        show=show_chips,
        examples=(
            "overland data chips deepglobe-road chips --chip-size 512",
            "overland data chips massachusetts chips --chip-size 256 --min-foreground 0.01 --drop-blank",
            "overland train --data chips --imgsz 256",
        ),
    ),
    command_from(
        "overland.workflows.prepare_coco:prepare_coco",
        name="from-coco",
        show=show_coco,
        examples=(
            "overland data from-coco instances.json images/ my-dataset",
            "overland data from-coco instances_train.json images/ my-dataset --val instances_val.json",
        ),
    ),
    command_from(
        "overland.workflows.prepare_channels:prepare_channels",
        name="to-channels",
        show=show_channels,
        examples=(
            "overland data to-channels my-dataset channels",
            "overland data chips my-dataset chips --chip-size 512 && overland data to-channels chips channels",
        ),
    ),
    command_from(
        "overland.workflows.encode_mask:encode_mask",
        name="encode",
        show=show_encode,
        examples=(
            "overland data encode predicted.png aachen_000000_000019_gtFine_labelIds.png --like cityscapes",
            "overland data encode predicted.tif 10233_mask.png --like deepglobe-landcover",
        ),
    ),
)
for _command in _COMMANDS:
    command.add_command(_command)
