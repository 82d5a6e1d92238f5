"""Quantise: a copy of a model with a graph in eight bits beside its own, and a report of what that costs."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.bundle import ModelBundle, load_bundle, save_quantized
from overland.datasets import dataset_from_path, read_sample
from overland.errors import DataError, MissingExtraError, UsageError
from overland.exporters.graphs import whole_graph
from overland.exporters.quantize import Agreement, end_layers, quantize_graph
from overland.inference import Engine, model_classifier, open_engine, plan_image, predict_array
from overland.inference.measure import Chip, measured_bundle, sample_chips
from overland.inference.plan import round_up
from overland.inference.probabilities import network_input
from overland.output import check_model_folder
from overland.progress import track
from overland.reporting.card import model_card
from overland.workflows.evaluate import check_image, labelled_samples, with_legend_of

__all__ = [
    "Images",
    "compare",
    "labelled_images",
    "quantize_bundle",
    "window_images",
]


# What two graphs of one model give for the same images: the pictures to judge by, and the comparison.

Image = tuple[npt.NDArray[Any], npt.NDArray[np.bool_], npt.NDArray[np.uint8] | None]


@dataclass(frozen=True)
class Images:
    """A number of images, read as they are iterated: pixels as stored, where they hold data, and ids if labelled.

    `judge` says in words what the IoU is taken from.
    """

    judge: str
    count: int
    read: Callable[[], Iterator[Image]]


def window_images(chips: Sequence[Chip]) -> Images:
    """Windows without labels."""
    return Images(
        "fp32 scores of held-out windows", len(chips), lambda: ((pixels, valid, None) for pixels, valid in chips)
    )


def labelled_images(bundle: ModelBundle, data: str | Path, split: str) -> Images:
    """The labelled images of one split of a dataset.

    Raises `DataError` when the dataset does not fit the model, `UsageError` when it has no such split.
    """
    dataset = with_legend_of(bundle, dataset_from_path(data))
    samples = labelled_samples(dataset, split)

    def read() -> Iterator[Image]:
        for sample in samples:
            check_image(bundle, sample.image)
            pixels, target, valid = read_sample(dataset, sample, bundle.bands)
            yield pixels, valid, target

    return Images(f"labels of {dataset.name}, {split}", len(samples), read)


def compare(bundle: ModelBundle, quantized: ModelBundle, images: Images) -> dict[str, dict[str, Any]]:
    """Predict images with the graph of a bundle and with the eight-bit one of its copy, on every engine that is here.

    Returns the report of `Agreement` for each engine. They are not all alike: one may fuse layers that another does
    not, and round in other places.
    """
    scorer = model_classifier(bundle, open_engine(bundle, "onnx", precision="fp32"))
    others = {name: model_classifier(quantized, engine) for name, engine in _eight_bit_engines(quantized).items()}
    agreements = {name: Agreement(bundle) for name in others}
    with track("Comparing with fp32", images.count, "images") as advance:
        for pixels, valid, target in images.read():
            plan = plan_image(bundle, *valid.shape)
            expected = predict_array(scorer, pixels, valid, plan)
            for name, other in others.items():
                agreements[name].add(expected, predict_array(other, pixels, valid, plan), valid, target)
            advance(1)
    return {name: agreement.report() for name, agreement in agreements.items()}


def _eight_bit_engines(quantized: ModelBundle) -> dict[str, Engine]:
    engines = {"onnx": open_engine(quantized, "onnx", precision="int8")}
    # Without the extra speed it cannot be asked, and is not what the model will run on here.
    with suppress(MissingExtraError):
        engines["openvino"] = open_engine(quantized, "openvino", precision="int8")
    return engines


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
