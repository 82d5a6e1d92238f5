"""Quantise: a copy of a model with a graph in eight bits beside its own, and a report of what that costs."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from overland.bundle import ModelBundle, load_bundle, save_quantized
from overland.errors import DataError, UsageError
from overland.export.quantize import end_layers, quantize_graph
from overland.export.whole_graph import whole_graph
from overland.inference.plan import round_up
from overland.inference.samples import Chip, sample_chips
from overland.inference.scorers import network_input
from overland.workflows.card import model_card
from overland.workflows.measure import measured_bundle
from overland.workflows.output_folder import check_model_folder
from overland.workflows.quantize_compare import Images, compare, labelled_images, window_images

__all__ = ["quantize_bundle"]

logger = logging.getLogger("overland")

_LARGEST_LOSS_POINTS = 0.2
_LARGEST_SIDE = 512
_WINDOWS = 96
_HELD_OUT = slice(1, None, 3)


def quantize_bundle(
    model: str | Path,
    output: str | Path,
    scenes: Sequence[str | Path],
    *,
    data: str | Path | None = None,
    split: str = "val",
    bands: Sequence[int] | None = None,
    force: bool = False,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write a copy of a model with an eight-bit graph, calibrated on scenes like those that it is for.

    Windows spread over `scenes` give the ranges of the activations; others, held out, tell how often eight bits give
    the label that fp32 gives, and what that does to the IoU, estimated from the scores (see `Agreement`). With `data`,
    a dataset in the model's classes, the labelled images of its `split` are judged instead and the change of IoU is
    measured. Of the engines that are installed the one that does worst counts. Where the change is too large, the first
    and last layers stay in fp32 and it is tried once more. `bands` are as in `predict`. A model whose memory was not
    measured in training gets it and its halo measured on the scenes.

    Returns the report, which the bundle keeps as `int8` and its card shows. Raises `DataError` and writes nothing when
    the IoU falls by more than 0.2 points (estimated: changes by more, either way) unless `force`, or when the scenes do
    not fit the model or are too small; `UsageError` for an output that exists; `MissingExtraError` without onnx.
    """
    bundle = load_bundle(model)
    output = check_model_folder(model, output, overwrite=overwrite)
    calibration, held_out = _windows(bundle, scenes, bands)
    images = window_images(held_out) if data is None else labelled_images(bundle, data, split)
    graph, found = _first_that_holds(bundle, calibration, images, is_measured=data is not None)
    report = {"calibration_windows": len(calibration), "iou_from": images.judge, **found}
    if _loss_points(report, data is not None) > _LARGEST_LOSS_POINTS:
        _refuse(report, force)
    if bundle.bytes_per_pixel is None:
        bundle = measured_bundle(bundle, scenes, bands)
    card = model_card(replace(bundle, int8=report))
    save_quantized(bundle, output, int8_graph=graph, report=report, card=card)
    logger.info("Eight bits give %.2f %% of the labels of fp32.", 100 * report["agreement"])
    return report


def _windows(
    bundle: ModelBundle, scenes: Sequence[str | Path], bands: Sequence[int] | None
) -> tuple[list[Chip], list[Chip]]:
    """Windows to calibrate on, and others to judge by."""
    if not scenes:
        raise UsageError("Eight bits are calibrated on scenes like those to be mapped; name at least one.")
    side = round_up(min(bundle.chip_size, _LARGEST_SIDE), bundle.size_divisor)
    chips = sample_chips(bundle, scenes, side=side, count=_WINDOWS, bands=bands)
    if len(chips) < 2:
        raise DataError(
            f"The scenes to calibrate on have {len(chips)} windows of {side} x {side} pixels with data; at least 2 are "
            "needed, one to calibrate on and one to judge by. Name more or larger scenes."
        )
    held_out = chips[_HELD_OUT]
    del chips[_HELD_OUT]
    return chips, held_out


def _first_that_holds(
    bundle: ModelBundle, calibration: list[Chip], images: Images, *, is_measured: bool
) -> tuple[bytes, dict[str, Any]]:
    """The graph all in eight bits if that holds, else with its ends in fp32; and what was found of it."""
    graph, found = _attempt(bundle, calibration, images, keep=(), is_measured=is_measured)
    ends = end_layers(whole_graph(bundle))
    if not ends or _loss_points(found, is_measured) <= _LARGEST_LOSS_POINTS:
        return graph, found
    logger.info("IoU changes by %s points; now with %s in fp32.", found["iou_change_points"], " and ".join(ends))
    again = _attempt(bundle, calibration, images, keep=ends, is_measured=is_measured)
    return min((graph, found), again, key=lambda attempt: _loss_points(attempt[1], is_measured))


def _attempt(
    bundle: ModelBundle, calibration: list[Chip], images: Images, *, keep: tuple[str, ...], is_measured: bool
) -> tuple[bytes, dict[str, Any]]:
    """A graph with the layers `keep` in fp32, and what the engine that does worst with it gives."""
    scaled = (network_input(bundle, *chip)[None] for chip in calibration)
    graph = quantize_graph(whole_graph(bundle), scaled, keep=keep)
    with TemporaryDirectory(prefix="overland-") as folder:
        candidate = save_quantized(bundle, Path(folder) / "model", int8_graph=graph, report={}, card="")
        reports = compare(bundle, candidate, images)
    worst = max(reports, key=lambda name: _loss_points(reports[name], is_measured))
    agreements = {name: report["agreement"] for name, report in reports.items()}
    return graph, {"layers_in_fp32": list(keep), "engine": worst, "agreements": agreements, **reports[worst]}


def _loss_points(report: dict[str, Any], is_measured: bool) -> float:
    """Points of IoU that eight bits lose; infinite where no class occurs. An estimated gain is as bad as a loss."""
    change: float | None = report["iou_change_points"]
    if change is None:
        return math.inf
    return max(0.0, -change) if is_measured else abs(change)


def _refuse(report: dict[str, Any], force: bool) -> None:
    change = report["iou_change_points"]
    found = "no class that the IoU counts occurs there" if change is None else f"it changes by {change:+.2f} points"
    message = (
        f"The IoU of the graph in eight bits may differ from that of fp32 by {_LARGEST_LOSS_POINTS} points; judged by "
        f"{report['iou_from']} on the engine {report['engine']}, {found}, "
        f"and {report['agreement']:.2%} of the labels agree."
    )
    if not force:
        raise DataError(
            f"{message} Calibrate on more scenes, and on such as will be mapped; judge by labels, with --data; or use "
            "--force to write it in spite of this."
        )
    logger.warning("%s It is written because you asked for it.", message)
