"""overland data: get a public dataset, look at a dataset before anything is trained on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import click

from overland.cli.console import Outcome, common_options, examples

__all__ = [
    "command",
]


# overland data to-channels: a dataset for the managed cloud trainer.


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
    "--val-fraction", default=0.2, show_default=True, help="Fraction of images for val where no val split is given."
)
@click.option("--seed", default=0, show_default=True, help="Seed of that split.")
@click.option("--overwrite", is_flag=True, help="Replace channels that were written before.")
@common_options
def to_channels_command(
    data: str, output: str, quality: int, val_fraction: float, seed: int, overwrite: bool
) -> Outcome:
    """Write a dataset as the managed cloud trainer takes it.

    OUTPUT gets the channels train/, train_annotation/, validation/ and validation_annotation/ with JPEG images and
    8-bit PNG masks of one stem, label_map/, and class_names.json beside them. Masks hold class ids, 255 is ignored.
    Overland reads the folder back as a dataset.
    """
    from overland.workflows.prepare_channels import prepare_channels

    values = prepare_channels(data, output, quality=quality, val_fraction=val_fraction, seed=seed, overwrite=overwrite)
    lines = [f"{channel:10} {count} images" for channel, count in values["images"].items()]
    hyperparameters = ", ".join(f"{name}={value}" for name, value in values["hyperparameters"].items())
    return Outcome(values, "\n".join([*lines, f"Written to {output}; hyperparameters: {hyperparameters}."]))


# overland data chips: cut a dataset into chips, once.


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
    help="Drop chips of train with a smaller fraction of classes other than the background.",
)
@click.option(
    "--drop-blank", is_flag=True, help="Drop chips of which half or more is nodata, black or white, or of one value."
)
@click.option(
    "--val-fraction", default=0.2, show_default=True, help="Fraction of images for val where no val split is given."
)
@click.option("--seed", default=0, show_default=True, help="Seed of that split.")
@click.option("--overwrite", is_flag=True, help="Replace chips that are there already.")
@common_options
def chips_command(
    data: str,
    output: str,
    chip_size: int,
    overlap: int,
    pad: Literal["zero", "reflect", "none"],
    min_foreground: float | None,
    drop_blank: bool,
    val_fraction: float,
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
        val_fraction=val_fraction,
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


# overland data from-coco: annotations to masks.


@click.command(
    epilog=examples(
        "overland data from-coco instances.json images/ my-dataset",
        "overland data from-coco instances_train.json images/ my-dataset --val instances_val.json",
    )
)
@click.argument("annotations", type=click.Path())
@click.argument("images", type=click.Path())
@click.argument("output", type=click.Path())
@click.option("--val", type=click.Path(), help="Annotations of the split val, of images in the same folder.")
@click.option("--test", type=click.Path(), help="Annotations of the split test, of images in the same folder.")
@click.option("--overwrite", is_flag=True, help="Replace a dataset that was made so before.")
@common_options
def from_coco_command(
    annotations: str, images: str, output: str, val: str | None, test: str | None, overwrite: bool
) -> Outcome:
    """Draw COCO annotations as masks.

    ANNOTATIONS is an instances file (polygons or run lengths), IMAGES the folder that its file names lie in. OUTPUT
    becomes a dataset: copies of the images, PNG masks with class ids, data.yaml. Class 0 is the background, the
    categories follow in the order of their ids. Later annotations lie over earlier ones; crowds are "no label".
    Without --val a split is drawn when the dataset is read.
    """
    from overland.workflows.prepare_coco import prepare_coco

    values = prepare_coco(annotations, images, output, val=val, test=test, overwrite=overwrite)
    lines = []
    for name, split in values["splits"].items():
        fractions = ", ".join(f"{label} {fraction:.1%}" for label, fraction in split["class_fractions"].items())
        lines.append(f"{name:6} {split['images']} images: {fractions}")
    return Outcome(values, "\n".join([*lines, f"Written to {output}; look at it with `overland data check {output}`."]))


# overland data download: a public dataset, from where it is published to a folder that is ready for training.


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
def download_command(name: str, output: str | None, archives: tuple[str, ...], overwrite: bool) -> Outcome:
    """Download a public dataset and unpack it.

    NAME is deepglobe-road, deepglobe-landcover or massachusetts-roads (from Kaggle), cityscapes (through csDownload,
    account needed) or camvid (SegNet's, from GitHub). A download that was cut goes on where it was when the command is
    run again. A dataset that is there already is only read. Archives that lie in the folder are used.
    """
    from overland.workflows.download import download_data

    values = download_data(name, output, archives=archives, overwrite=overwrite)
    return Outcome(values, _text_data_download(values))


def _text_data_download(values: Mapping[str, Any]) -> str:
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


# overland data encode: a class map in a dataset's own values or colours.


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
def encode_command(mask: str, output: str, like: str, overwrite: bool) -> Outcome:
    """Write a class map as a dataset stores its masks.

    MASK is a class map of ids, as `overland predict` writes it; OUTPUT (.png or .tif) gets label ids for Cityscapes,
    colours for DeepGlobe, 0 and 255 for roads so stored: what a benchmark's own tools read. Classes go by name where
    MASK has names.
    """
    from overland.workflows.encode_mask import encode_mask

    values = encode_mask(mask, output, like=like, overwrite=overwrite)
    codes = ", ".join(f"{name} {code}" for name, code in values["codes"].items())
    return Outcome(values, f"{output}: {codes}.")


_BAD_DATA = 3
_NAME_WIDTH = 18


@click.group()
def command() -> None:
    """Get a public dataset; look at a dataset before anything is trained on it."""


@command.command(
    epilog=examples(
        "overland data check my-dataset",
        "overland data check my-dataset/data.yaml --json > issues.json",
    )
)
@click.argument("data", type=click.Path())
@click.option(
    "--val-fraction", default=0.2, show_default=True, help="Fraction of images for val where no val split is given."
)
@click.option("--seed", default=0, show_default=True, help="Seed of that split.")
@common_options
def check(data: str, val_fraction: float, seed: int) -> Outcome:
    """Profile a dataset and name what is wrong with it.

    DATA is a dataset YAML or a folder: images/ with masks/, scenes with X_labels.tif beside them, DeepGlobe,
    Massachusetts, CamVid, Cityscapes, channels of the managed cloud trainer.
    Looks at pairs, sizes, mask values, classes in each split, duplicates and scenes across splits, blank imagery,
    labels that lie elsewhere than their image or are shifted against it. Exits with 3 when anything is an error.
    """
    from overland.workflows.check_data import check_data

    values = check_data(data, val_fraction=val_fraction, seed=seed)
    return Outcome(values, _text_data(values), 0 if values["ok"] else _BAD_DATA)


command.add_command(download_command, "download")
command.add_command(chips_command, "chips")
command.add_command(from_coco_command, "from-coco")
command.add_command(to_channels_command, "to-channels")
command.add_command(encode_command, "encode")


def _text_data(values: Mapping[str, Any]) -> str:
    splits = values["splits"]
    lines = [
        f"{values['path']}: {values['layout']}",
        "",
        *_split_lines(splits),
        *_class_lines(splits, values["classes"]),
    ]
    said = " ".join(issue["message"] for issue in values["issues"])
    lines += ["", *(f"note: {note}" for note in values["notes"] if note not in said)]
    lines += [f"{issue['severity']}: {issue['code']}: {issue['message']}" for issue in values["issues"]]
    return "\n".join([*lines, _verdict(values)])


def _split_lines(splits: Mapping[str, Mapping[str, Any]]) -> list[str]:
    lines = []
    for name, split in splits.items():
        kinds = f"{_few(split['sizes'])} px, {_few(split['bands'])} bands, {_few(split['dtypes'])}"
        masks = _values(split)
        lines.append(f"{name:{_NAME_WIDTH}} {split['images']} images, {split['labelled']} with mask: {kinds}{masks}")
    return lines


def _values(split: Mapping[str, Any]) -> str:
    fractions = split["mask_values"]
    if not fractions:
        return ""
    shown = ", ".join(f"{value} {fraction:.1%}" for value, fraction in list(fractions.items())[:4])
    rest = split["mask_values_count"] - min(len(fractions), 4)
    return f"; mask values {shown}" + (f" and {rest} more" if rest > 0 else "")


def _class_lines(splits: Mapping[str, Mapping[str, Any]], classes: list[str] | None) -> list[str]:
    labelled = {name: split for name, split in splits.items() if split["labelled"] and "class_fractions" in split}
    if not classes or not labelled:
        return []
    header = f"{'class':{_NAME_WIDTH}} " + "".join(f"{name + ' fraction':>14}{'images':>8}" for name in labelled)
    lines = ["", header]
    for label in classes:
        cells = (
            f"{split['class_fractions'][label]:>14.2%}{split['class_images'][label]:>8}" for split in labelled.values()
        )
        lines.append(f"{label:{_NAME_WIDTH}} " + "".join(cells))
    ignored = "".join(f"{split['ignored_fraction']:>14.2%}{'':>8}" for split in labelled.values())
    return [*lines, f"{'(no label)':{_NAME_WIDTH}} {ignored}".rstrip()]


def _few(counts: Mapping[str, int]) -> str:
    names = list(counts)
    return " and ".join(names) if len(names) <= 2 else f"{len(names)} kinds ({names[0]} most)"


def _verdict(values: Mapping[str, Any]) -> str:
    errors, warnings = values["errors"], values["warnings"]
    counted = f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}"
    return f"{counted}: " + ("ready for training." if values["ok"] else "correct the errors first.")
