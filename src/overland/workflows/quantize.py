"""Quantise a model: a copy of it with an int8 graph next to its own, and a report of its loss."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.bundle import ModelBundle, load_bundle, save_quantized
from overland.datasets import read_dataset, read_sample
from overland.errors import DataError, MissingExtraError, UsageError
from overland.exporters.graphs import whole_graph
from overland.exporters.quantize import Agreement, AgreementReport, end_layers, quantize_graph
from overland.inference import model_classifier, open_engine, plan_image, predict_array
from overland.inference.measure import Chip, measured_bundle, sample_chips
from overland.inference.plan import round_up
from overland.inference.probabilities import network_input
from overland.output import check_model_folder
from overland.progress import track
from overland.reporting.card import model_card
from overland.result import Result
from overland.workflows.evaluate import check_image, labelled_samples, with_legend_of

__all__ = ["Images", "QuantizeResult", "compare", "labelled_images", "quantize", "window_images"]

logger = logging.getLogger(__name__)

_LARGEST_LOSS_POINTS = 0.2
_LARGEST_SIDE = 512
_WINDOWS = 96
_HELD_OUT = slice(1, None, 3)


@dataclass(frozen=True)
class QuantizeResult(Result):
    """A model in int8, compared with fp32 on the engine that does worst. None stands for a number that does not exist.

    Attributes:
        model: The model in fp32.
        output: The copy that has the int8 graph.
        calibration_windows: Number of windows that gave the ranges of the activations.
        iou_from: The images and labels that the IoU is taken from, in words.
        layers_in_fp32: Names of layers that stay in fp32.
        engine: The engine that does worst.
        agreements: Fraction of pixels with the label of fp32, by engine.
        images: Number of images that were compared.
        pixels: Number of their pixels with data.
        agreement: Fraction of pixels with the same label.
        mean_difference: Mean difference of probabilities.
        largest_difference: Largest difference of a probability.
        iou_fp32: IoU in fp32: of class 1 with a binary legend, else the mean.
        iou_int8: The same in int8.
        iou_change_points: The change of that in points, 100 to 1.
        class_iou_change_points: The change of each class, by its name.
        class_iou_with_fp32: IoU of the two masks with one another, by class name.
    """

    model: Path
    output: Path
    calibration_windows: int
    iou_from: str
    layers_in_fp32: tuple[str, ...]
    engine: str
    agreements: Mapping[str, float]
    images: int
    pixels: int
    agreement: float
    mean_difference: float
    largest_difference: float
    iou_fp32: float | None
    iou_int8: float | None
    iou_change_points: float | None
    class_iou_change_points: Mapping[str, float | None]
    class_iou_with_fp32: Mapping[str, float | None]

    def report(self) -> dict[str, Any]:
        """Return the values that the bundle keeps as `int8`: all but the paths."""
        return {name: value for name, value in self.to_dict().items() if name not in ("model", "output")}


def quantize(
    model: str | Path,
    scenes: Sequence[str | Path],
    output: str | Path,
    *,
    data: str | Path | None = None,
    split: str = "val",
    bands: tuple[int, ...] | None = None,
    force: bool = False,
    overwrite: bool = False,
) -> QuantizeResult:
    """Write a copy of a model with an int8 graph, calibrated on scenes like those to be mapped.

    Windows spread over the scenes give the ranges of the activations; others, held out, tell how often int8 gives the
    label that fp32 gives, and the change of IoU, estimated from the probabilities. With a labelled dataset that change
    is measured on its images instead. Of the engines that are installed the one that does worst counts. Where the
    change is too large, the first and last layers stay in fp32 and it is tried once more. A model whose memory was not
    measured in training gets it and its halo measured on the scenes.

    Args:
        model: The model: a bundle, the folder of a run, or the name of a pretrained model.
        scenes: Scenes to calibrate on.
        output: The folder of the copy.
        data: A dataset in the model's classes, whose labels say what int8 costs in IoU.
        split: The split of the dataset.
        bands: Bands of the scenes to read, counted from 1.  [default: those of the model]
        force: Write it even where it loses more than 0.2 points of IoU.
        overwrite: Replace the output if it exists.

    Returns:
        The comparison with fp32, which the copy keeps and its model card shows.

    Raises:
        DataError: The IoU falls by more than 0.2 points (estimated: changes by more, either way), or the scenes do not
            fit the model or are too small; nothing is written then.
        UsageError: The output exists, or no scene is named.
        MissingExtraError: The package onnx is not installed.
    """
    bundle = load_bundle(model)
    output = check_model_folder(model, output, overwrite=overwrite)
    calibration, held_out = _windows(bundle, scenes, bands)
    images = window_images(held_out) if data is None else labelled_images(bundle, data, split)
    is_measured = data is not None
    graph, found = _attempt(bundle, calibration, images, keep=(), is_measured=is_measured)
    ends = end_layers(whole_graph(bundle))
    if ends and _loss_points(found.worst, is_measured) > _LARGEST_LOSS_POINTS:
        changed = found.worst.iou_change_points
        logger.info("IoU changes by %s points; now with %s in fp32.", changed, " and ".join(ends))
        again = _attempt(bundle, calibration, images, keep=ends, is_measured=is_measured)
        graph, found = min((graph, found), again, key=lambda attempt: _loss_points(attempt[1].worst, is_measured))
    agreement = {field.name: getattr(found.worst, field.name) for field in dataclasses.fields(found.worst)}
    result = QuantizeResult(
        model=Path(model),
        output=output,
        calibration_windows=len(calibration),
        iou_from=images.iou_from,
        layers_in_fp32=found.layers_in_fp32,
        engine=found.engine,
        agreements=found.agreements,
        **agreement,
    )
    if _loss_points(found.worst, is_measured) > _LARGEST_LOSS_POINTS:
        _refuse(result, force)
    if bundle.bytes_per_pixel is None:
        bundle = measured_bundle(bundle, scenes, bands)
    report = result.report()
    card = model_card(replace(bundle, int8=report))
    save_quantized(bundle, output, int8_graph=graph, report=report, card=card)
    logger.info("Int8 gives %.2f %% of the labels of fp32.", 100 * result.agreement)
    return result


def _windows(
    bundle: ModelBundle, scenes: Sequence[str | Path], bands: Sequence[int] | None
) -> tuple[list[Chip], list[Chip]]:
    """Return windows to calibrate on, and others to evaluate on."""
    if not scenes:
        raise UsageError("Int8 is calibrated on scenes like those to be mapped; name at least one.")
    side = round_up(min(bundle.chip_size, _LARGEST_SIDE), bundle.size_divisor)
    chips = sample_chips(bundle, scenes, side=side, count=_WINDOWS, bands=bands)
    if len(chips) < 2:
        raise DataError(
            f"The scenes to calibrate on have {len(chips)} windows of {side} x {side} pixels with data; at least 2 are "
            "needed, one to calibrate on and one to evaluate on. Name more or larger scenes."
        )
    held_out = chips[_HELD_OUT]
    del chips[_HELD_OUT]
    return chips, held_out


@dataclass(frozen=True)
class _Attempt:
    """An int8 graph that was tried: the layers left in fp32, and how it agrees on the engine that does worst."""

    layers_in_fp32: tuple[str, ...]
    engine: str
    agreements: Mapping[str, float]
    worst: AgreementReport


def _attempt(
    bundle: ModelBundle, calibration: list[Chip], images: Images, *, keep: tuple[str, ...], is_measured: bool
) -> tuple[bytes, _Attempt]:
    scaled = (network_input(bundle, *chip)[None] for chip in calibration)
    graph = quantize_graph(whole_graph(bundle), scaled, keep=keep)
    with TemporaryDirectory(prefix="overland-") as folder:
        candidate = save_quantized(bundle, Path(folder) / "model", int8_graph=graph, report={}, card="")
        reports = compare(bundle, candidate, images)
    worst = max(reports, key=lambda name: _loss_points(reports[name], is_measured))
    agreements = {name: report.agreement for name, report in reports.items()}
    return graph, _Attempt(keep, worst, agreements, reports[worst])


def _loss_points(report: AgreementReport, is_measured: bool) -> float:
    """Return the points of IoU that int8 loses, infinite where no class occurs; an estimated gain counts as a loss."""
    change = report.iou_change_points
    if change is None:
        return math.inf
    return max(0.0, -change) if is_measured else abs(change)


def _refuse(result: QuantizeResult, force: bool) -> None:
    change = result.iou_change_points
    found = "no class that the IoU counts occurs there" if change is None else f"it changes by {change:+.2f} points"
    message = (
        f"The IoU of the graph in int8 may differ from that of fp32 by {_LARGEST_LOSS_POINTS} points; evaluated on "
        f"{result.iou_from} with the engine {result.engine}, {found}, and {result.agreement:.2%} of the labels agree."
    )
    if not force:
        raise DataError(
            f"{message} Calibrate on more scenes, and on such as will be mapped; evaluate on labels, with --data; or "
            "use --force to write it in spite of this."
        )
    logger.warning("%s It is written because you asked for it.", message)


Image = tuple[npt.NDArray[np.generic], npt.NDArray[np.bool_], npt.NDArray[np.uint8] | None]
"""Pixels as stored (bands, height, width), where they hold data, and true class ids (height, width) if labelled."""


@dataclass(frozen=True)
class Images:
    """Images to compare on, read as they are iterated.

    Attributes:
        iou_from: The images and labels that the IoU is taken from, in words.
        count: Number of images.
        read: Reads them one after the other.
    """

    iou_from: str
    count: int
    read: Callable[[], Iterator[Image]]


def window_images(chips: Sequence[Chip]) -> Images:
    """Take windows without labels.

    Args:
        chips: Their pixels, and where they hold data.
    """
    return Images(
        "fp32 probabilities of held-out windows", len(chips), lambda: ((pixels, valid, None) for pixels, valid in chips)
    )


def labelled_images(bundle: ModelBundle, data: str | Path, split: str) -> Images:
    """Take the labelled images of one split of a dataset.

    Args:
        bundle: The model.
        data: The dataset.
        split: The split.

    Raises:
        DataError: The dataset does not fit the model.
        UsageError: It has no such split.
    """
    dataset = with_legend_of(bundle, read_dataset(data))
    samples = labelled_samples(dataset, split)

    def read() -> Iterator[Image]:
        for sample in samples:
            check_image(bundle, sample.image)
            pixels, truth, valid = read_sample(dataset, sample, bundle.bands)
            yield pixels, valid, truth

    return Images(f"labels of {dataset.name}, {split}", len(samples), read)


def compare(bundle: ModelBundle, quantized: ModelBundle, images: Images) -> dict[str, AgreementReport]:
    """Predict images with the graph of a bundle and with the int8 one of its copy, on every engine that is installed.

    Engines are not all alike: one may fuse layers that another does not, and round in other places.

    Args:
        bundle: The model in fp32.
        quantized: Its copy with an int8 graph.
        images: The images.

    Returns:
        How both agree, by engine.
    """
    classifier = model_classifier(bundle, open_engine(bundle, "onnx", precision="fp32"))
    engines = {"onnx": open_engine(quantized, "onnx", precision="int8")}
    # Without the extra speed it is not the engine that the model will run on here.
    with suppress(MissingExtraError):
        engines["openvino"] = open_engine(quantized, "openvino", precision="int8")
    others = {name: model_classifier(quantized, engine) for name, engine in engines.items()}
    agreements = {name: Agreement(bundle) for name in others}
    with track("Comparing with fp32", images.count, "images") as advance:
        for pixels, valid, truth in images.read():
            plan = plan_image(bundle, *valid.shape)
            expected = predict_array(classifier, pixels, valid, plan)
            for name, other in others.items():
                agreements[name].add(expected, predict_array(other, pixels, valid, plan), valid, truth)
            advance(1)
    return {name: agreement.report() for name, agreement in agreements.items()}
