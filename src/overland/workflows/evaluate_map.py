"""Evaluate a class map that is there already against a raster of labels, block by block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from overland.errors import DataError
from overland.geo.alignment import check_same_grid
from overland.geo.grid import Window, iter_windows
from overland.legend import IGNORE_INDEX, Legend, legend_from_names, match_classes
from overland.metrics import confusion_matrix, image_scores, summary_from_confusions
from overland.metrics.masks import Confusion
from overland.metrics.patches import extra_counts_for
from overland.output import check_folder, free_folder, write_folder
from overland.progress import track
from overland.raster import Scene, input_files
from overland.raster.class_map import Ids, open_class_scene, read_ids
from overland.reporting.evaluation import write_evaluation
from overland.result import Result

__all__ = ["EvaluateMapResult", "evaluate_map"]

_BLOCK = 512
_MEGA = 1e6


@dataclass(frozen=True)
class EvaluateMapResult(Result):
    """The scores of a class map.

    Attributes:
        prediction: The class map.
        labels: The raster of labels.
        images: Number of blocks that hold labels.
        unit: "block".
        headline: The one number to quote, with its interval.
        pooled: Scores over all pixels.
        per_image: Means over blocks in which a score exists.
        class_names: Names of the classes.
        confusion: Pixels by truth (rows) and prediction (columns).
        block_size: Side of a block in pixels.
        unpredicted_fraction: Fraction of the labelled pixels that have no prediction; they are left out.
        output: Folder of the scores and figures.
        roads: Scores of lines; None where they were not asked for.
        boundary: Scores of outlines; None where they were not asked for.
        patches: Scores of patches; None where they were not asked for.
    """

    prediction: str
    labels: str
    images: int
    unit: str
    headline: Mapping[str, Any]
    pooled: Mapping[str, Any]
    per_image: Mapping[str, Any]
    class_names: list[str]
    confusion: list[list[int]]
    block_size: int
    unpredicted_fraction: float
    output: str
    roads: Mapping[str, Any] | None = None
    boundary: Mapping[str, Any] | None = None
    patches: Mapping[str, Any] | None = None


def evaluate_map(
    prediction: str | Path,
    labels: str | Path,
    *,
    names: Sequence[str] | None = None,
    roads: bool = False,
    boundary: str | int | None = None,
    patches: int | None = None,
    output: str | Path | None = None,
    overwrite: bool = False,
) -> EvaluateMapResult:
    """Score the class map PREDICTION against LABELS, both rasters of class ids that lie on each other.

    Writes IoU, F1 (which is Dice), precision, recall and accuracy of each class, over all pixels (pooled) and as a mean
    over blocks of 512 x 512 pixels, with a 95 % interval from drawing blocks again (bootstrap), and figures to a
    folder. Pixels without a label (255 or nodata) are left out, and so are those without a prediction. Where both
    rasters name their classes these are compared by name, else by id.

    Args:
        prediction: The class map.
        labels: The raster of labels, on the same grid.
        names: Class names in the order of the ids, such as --names background,road; by default those of the class map.
            With it classes are compared by id.
        roads: Add scores of lines: relaxed precision and recall, clDice, broken roads.
        boundary: Add boundary IoU in a band along outlines, of 3 (pixels) or 2% (of the raster's diagonal).
        patches: Add F1 and accuracy of patches of so many pixels a side, such as 16.
        output: Folder for scores and figures. [default: evaluations/PREDICTION-LABELS]
        overwrite: Replace the output if it exists.

    Returns:
        The scores.

    Raises:
        UsageError: For options and an output that make no sense.
        DataError: When the rasters do not lie on each other, hold no class ids or other classes, or when no class names
            are known.
    """
    default = Path("evaluations") / f"{Path(prediction).stem}-{Path(labels).stem}"
    inputs = input_files(prediction, labels)
    folder = free_folder(default) if output is None else check_folder(output, overwrite=overwrite, inputs=inputs)
    with open_class_scene(prediction) as predicted, open_class_scene(labels) as truth:
        legend = predicted.legend if names is None else legend_from_names(names)
        if legend is None:
            raise DataError(
                f"{predicted.path} carries no class names (in {Path(predicted.path).name}.aux.xml); "
                "give them in the order of the ids: --names background,road"
            )
        advice = "Both must lie on one grid; warp the labels to the prediction's grid."
        check_same_grid(predicted.grid, truth.grid, (predicted.path, truth.path), advice=advice)
        id_of_label = np.arange(IGNORE_INDEX + 1, dtype=np.uint8)
        if truth.legend is not None and names is None:
            matched = match_classes(legend, truth.legend, (predicted.path, truth.path))
            id_of_label[: len(matched)] = matched
        pair = _Pair(predicted, truth, legend, id_of_label)
        extras = extra_counts_for(legend, roads=roads, boundary=boundary, patches=patches)
        blocks, confusions, unpredicted = _compare(pair)
        if extras:
            # Roads and outlines run on from block to block, so these scores need the masks in one piece.
            mask, of_labels, _ = pair.read(predicted.grid.window)
            for counts in extras.values():
                counts.add(of_labels, mask, legend.ignore_index)
    compared = int(np.sum(confusions))
    asked: dict[str, Any] = {name: counts.scores() for name, counts in extras.items()}
    result = EvaluateMapResult(
        prediction=str(prediction),
        labels=str(labels),
        **summary_from_confusions(confusions, legend, unit="block"),
        block_size=_BLOCK,
        unpredicted_fraction=unpredicted / (unpredicted + compared),
        output=str(folder),
        **asked,
    )
    rows = [
        {"row_off": block.row_off, "col_off": block.col_off, **image_scores(confusion, legend)}
        for block, confusion in zip(blocks, confusions, strict=True)
    ]
    values = {field.name: getattr(result, field.name) for field in fields(result)}
    with write_folder(folder) as part:
        write_evaluation(part, {key: value for key, value in values.items() if value is not None}, rows, legend)
    return result


@dataclass(frozen=True)
class _Pair:
    """A class map and its labels, read together."""

    predicted: Scene
    labels: Scene
    legend: Legend
    id_of_label: Ids
    """The map's id of each value of the labels (256,)."""

    def read(self, window: Window) -> tuple[Ids, Ids, int]:
        """Read predictions and labels, 255 where either is missing, and count the labels without a prediction.

        Args:
            window: Window of both rasters.

        Returns:
            Ids of the map and of the labels (H, W), and the number of labels without a prediction.
        """
        mask, truth = read_ids(self.predicted, window), self.id_of_label[read_ids(self.labels, window)]
        has_mask, has_label = mask != self.legend.ignore_index, truth != self.legend.ignore_index
        truth[~has_mask] = self.legend.ignore_index
        return mask, truth, int((has_label & ~has_mask).sum())


def _compare(pair: _Pair) -> tuple[list[Window], list[Confusion], int]:
    blocks: list[Window] = []
    confusions: list[Confusion] = []
    unpredicted, legend, labels = 0, pair.legend, pair.labels
    with track("Comparing", labels.height * labels.width / _MEGA, "Mpx") as advance:
        for block in iter_windows(labels.height, labels.width, _BLOCK):
            mask, truth, missing = pair.read(block)
            unpredicted += missing
            confusion = confusion_matrix(truth, mask, legend.num_classes, legend.ignore_index)
            if confusion.any():
                blocks.append(block)
                confusions.append(confusion)
            advance(block.height * block.width / _MEGA)
    if not confusions:
        raise DataError(
            f"{labels.path} has no labelled pixel where there is a prediction; there is nothing to compare."
        )
    # The usual 0/255 mask would otherwise be read as "no road anywhere, and much without a label".
    is_all_labelled = np.sum(confusions) + unpredicted == labels.height * labels.width
    if labels.nodata is None and not is_all_labelled and not np.sum(confusions, axis=(0, 2))[1:].any():
        raise DataError(
            f"{labels.path} holds 0 and 255 only. Here 255 means 'no label'; if it means class 1, save the labels as 0 "
            "and 1, or declare 255 as the raster's nodata value if it does mean 'no label'."
        )
    return blocks, confusions, unpredicted
