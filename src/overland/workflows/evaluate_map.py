"""Evaluate a class map that is there already against a raster of labels, block by block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.errors import DataError
from overland.geo.grid import iter_windows
from overland.legend import Legend, legend_from_names
from overland.metrics import confusion_matrix, image_scores, summary_from_confusions
from overland.metrics.masks import Confusion
from overland.metrics.patches import ExtraCounts, extra_counts_for
from overland.output import check_folder, free_folder, write_folder
from overland.progress import track
from overland.raster import Scene, Window, open_scene
from overland.reporting.evaluation import write_evaluation

__all__ = ["evaluate_map"]

_BLOCK = 512
_MEGA = 1e6


def evaluate_map(
    prediction: str | Path,
    target: str | Path,
    *,
    names: Sequence[str] | None = None,
    roads: bool = False,
    boundary: str | int | None = None,
    patches: int | None = None,
    output: str | Path | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Score a class map against labels on the same grid, both rasters of class ids, and write the scores to a folder.

    Pixels without a label (255 or nodata) are left out, and so are those without a prediction; `unpredicted_share`
    says how many labelled pixels that were. Class names come from the class map, or from `names` in the order of the
    ids. Returns what `metrics.summary_from_confusions` gives; "per image" then means per block of 512 x 512 pixels.
    `roads`, `boundary` (the band's width, 3 or "2%" of the raster's diagonal) and `patches` (their size) add blocks of
    these names, see `metrics.extras`; for them both rasters are read whole: 50 bytes a pixel.
    Raises `DataError` when the rasters do not lie on one grid, hold other values, or no class names are known.
    """
    default = Path("evaluations") / f"{Path(prediction).stem}-{Path(target).stem}"
    folder = free_folder(default) if output is None else check_folder(output, overwrite=overwrite)
    with open_scene(prediction) as predicted, open_scene(target) as labels:
        legend = _legend(predicted, names)
        _check_grids(predicted, labels)
        extras = extra_counts_for(legend, roads=roads, boundary=boundary, patches=patches)
        blocks, confusions, unpredicted = _compare(predicted, labels, legend)
        if extras:
            _add_whole(extras, predicted, labels, legend)
    compared = int(np.sum(confusions))
    values = {
        "prediction": str(prediction),
        "target": str(target),
        **summary_from_confusions(confusions, legend, unit="block"),
        "block_size": _BLOCK,
        "unpredicted_share": unpredicted / (unpredicted + compared),
        "output": str(folder),
        **{name: counts.scores() for name, counts in extras.items()},
    }
    rows = [
        {"row_off": block.row_off, "col_off": block.col_off, **image_scores(confusion, legend)}
        for block, confusion in zip(blocks, confusions, strict=True)
    ]
    with write_folder(folder) as part:
        write_evaluation(part, values, rows, legend)
    return values


def _compare(predicted: Scene, labels: Scene, legend: Legend) -> tuple[list[Window], list[Confusion], int]:
    blocks: list[Window] = []
    confusions: list[Confusion] = []
    unpredicted, has_255 = 0, False
    with track("Comparing", predicted.height * predicted.width / _MEGA, "Mpx") as advance:
        for block in iter_windows(predicted.height, predicted.width, _BLOCK):
            mask, has_mask = _read_ids(predicted, block, legend)
            truth, has_label = _read_ids(labels, block, legend)
            has_255 |= bool((truth == 255).any()) and labels.nodata != 255
            unpredicted += int((has_label & ~has_mask).sum())
            truth[~(has_label & has_mask)] = legend.ignore_index
            confusion = confusion_matrix(truth, mask, legend.num_classes, legend.ignore_index)
            if confusion.any():
                blocks.append(block)
                confusions.append(confusion)
            advance(block.height * block.width / _MEGA)
    _check_support(labels, confusions, has_255)
    return blocks, confusions, unpredicted


def _add_whole(extras: Mapping[str, ExtraCounts], predicted: Scene, labels: Scene, legend: Legend) -> None:
    # Roads and outlines run on from block to block, so these scores need the masks in one piece.
    mask, has_mask = _read_ids(predicted, predicted.grid.window, legend)
    truth, has_label = _read_ids(labels, labels.grid.window, legend)
    truth[~(has_label & has_mask)] = legend.ignore_index
    for counts in extras.values():
        counts.add(truth, mask, legend.ignore_index)


def _read_ids(scene: Scene, block: Window, legend: Legend) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    pixels, valid = scene.read(block)
    return pixels[0], valid & (pixels[0] != legend.ignore_index)


def _check_support(labels: Scene, confusions: Sequence[Confusion], has_255: bool) -> None:
    if not confusions:
        raise DataError(
            f"{labels.path} has no labelled pixel where there is a prediction; there is nothing to compare."
        )
    # The usual 0/255 mask would otherwise be read as "no road anywhere, and much without a label".
    if has_255 and not np.sum(confusions, axis=(0, 2))[1:].any():
        raise DataError(
            f"{labels.path} holds 0 and 255 only. Here 255 means 'no label'; if it means class 1, save the labels as 0 "
            "and 1, or declare 255 as the raster's nodata value if it does mean 'no label'."
        )


def _legend(predicted: Scene, names: Sequence[str] | None) -> Legend:
    legend = predicted.legend if names is None else legend_from_names(names)
    if legend is None:
        raise DataError(
            f"{predicted.path} carries no class names (in {Path(predicted.path).name}.aux.xml); "
            "give them in the order of the ids: --names background,road"
        )
    return legend


def _check_grids(predicted: Scene, labels: Scene) -> None:
    for scene in (predicted, labels):
        if len(scene.data_bands) != 1:
            raise DataError(f"{scene.path} has {len(scene.data_bands)} bands; a raster of class ids has one.")
    ours, theirs = predicted.grid, labels.grid
    if (ours.height, ours.width) != (theirs.height, theirs.width):
        raise DataError(
            f"{predicted.path} has {ours.height} x {ours.width} pixels, "
            f"{labels.path} has {theirs.height} x {theirs.width}. "
            "Both must lie on one grid; warp the labels to the prediction's grid."
        )
    tied = ours.is_georeferenced and theirs.is_georeferenced
    if tied and (
        ours.crs != theirs.crs or not ours.transform.almost_equals(theirs.transform, 0.01 * abs(ours.transform.a))
    ):
        raise DataError(
            f"{predicted.path} and {labels.path} do not lie on one grid: "
            f"{ours.crs} at {ours.bounds}, {theirs.crs} at {theirs.bounds}. "
            "Warp the labels to the prediction's grid."
        )
