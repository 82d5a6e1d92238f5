"""overland data from-coco: annotations to masks."""

from __future__ import annotations

import click

from overland.cli.console import Outcome, common_options, examples

__all__ = ["command"]


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
def command(annotations: str, images: str, output: str, val: str | None, test: str | None, overwrite: bool) -> Outcome:
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
        shares = ", ".join(f"{label} {share:.1%}" for label, share in split["class_shares"].items())
        lines.append(f"{name:6} {split['images']} images: {shares}")
    return Outcome(values, "\n".join([*lines, f"Written to {output}; look at it with `overland data check {output}`."]))
