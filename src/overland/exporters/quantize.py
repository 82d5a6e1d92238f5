"""ONNX graphs quantised to int8, calibrated on chips like those they will see, and how far they agree with fp32."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.bundle import ModelBundle
from overland.errors import DataError, import_extra
from overland.exporters.graphs import use_subpixel_convolutions
from overland.inference.probabilities import mask_from_probabilities
from overland.metrics import confusion_matrix

__all__ = ["Agreement", "AgreementReport", "end_layers", "quantize_graph"]

Probabilities = npt.NDArray[np.float32]
"""Probabilities of an image (classes or 1, height, width)."""
Ids = npt.NDArray[np.uint8]
Valid = npt.NDArray[np.bool_]
Chip = npt.NDArray[np.float32]
"""A scaled chip (1, bands, height, width)."""
_Counts = npt.NDArray[np.float64]

_PURPOSE = "Making a graph in int8"
# What runtimes compute in int8. Pooling, joining and resizing are among them so that values stay in int8 from one
# convolution to the next. What is not named here stays in fp32: softmax and normalisation, and the parts of swish and
# squeeze-excitation, with which OpenVINO ran EfficientNet-B0 slower (0.85 of fp32) than without (1.2).
_OPERATORS = (
    "Add",
    "AveragePool",
    "Clip",
    "Concat",
    "Conv",
    "ConvTranspose",
    "DepthToSpace",
    "Gemm",
    "LeakyRelu",
    "MatMul",
    "MaxPool",
    "Relu",
    "Resize",
)
_LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")


@dataclass(frozen=True)
class AgreementReport:
    """Agreement of an int8 network with the fp32 one; None stands for a number that does not exist.

    Attributes:
        images: Number of images.
        pixels: Number of pixels with data.
        agreement: Fraction of pixels with the same label.
        mean_difference: Mean difference of probabilities.
        largest_difference: Largest difference of a probability.
        iou_fp32: IoU of the fp32 network: of class 1 with a binary legend, else the mean.
        iou_int8: The same of the int8 network.
        iou_change_points: The change of that in points, 100 to 1.
        class_iou_change_points: The change of each class, by its name.
        class_iou_with_fp32: IoU of the two networks' masks with one another, by class name.
    """

    images: int
    pixels: int
    agreement: float
    mean_difference: float
    largest_difference: float
    iou_fp32: float | None
    iou_int8: float | None
    iou_change_points: float | None
    class_iou_change_points: dict[str, float | None]
    class_iou_with_fp32: dict[str, float | None]


class Agreement:
    """Compares the probabilities that two networks give for the same images, one by one, and sums up the differences.

    The change of IoU is measured on labels where there are any. Without labels it is estimated: the first network's
    probabilities are taken at their word, and each mask gets the IoU that is then expected of it.

    Args:
        bundle: The bundle of the first network.
    """

    def __init__(self, bundle: ModelBundle) -> None:
        self._bundle = bundle
        self._images = self._pixels = self._same = 0
        self._difference = self._largest = 0.0
        classes = bundle.legend.num_classes
        # Rows truth, columns prediction: of the first network, of the second, and of the second against the first.
        self._first, self._second, self._between = np.zeros((3, classes, classes))

    def add(self, first: Probabilities, second: Probabilities, valid: Valid, truth: Ids | None = None) -> None:
        """Add an image.

        Args:
            first: Probabilities of the first network (classes or 1, height, width).
            second: Those of the second.
            valid: Pixels of the image that hold data (height, width).
            truth: True class ids (height, width), if they are known.
        """
        masks = [mask_from_probabilities(self._bundle, probabilities) for probabilities in (first, second)]
        self._images += 1
        self._pixels += int(valid.sum())
        self._same += int((masks[0] == masks[1])[valid].sum())
        difference = np.abs(first - second).max(axis=0)[valid]
        self._difference += float(difference.sum(dtype=np.float64))
        self._largest = max(self._largest, float(difference.max(initial=0)))
        self._between += self._counted(masks[0], masks[1], valid)
        likely = np.concatenate([1 - first, first]) if self._bundle.num_outputs == 1 else first
        for counts, mask in zip((self._first, self._second), masks, strict=True):
            if truth is not None:
                counts += self._counted(truth, mask, valid)
                continue
            for index in range(self._bundle.legend.num_classes):
                counts[:, index] += likely[:, valid & (mask == index)].sum(axis=1, dtype=np.float64)

    def report(self) -> AgreementReport:
        """Return the figures over all images added."""
        names = self._bundle.legend.names
        first, second = _ious(self._first), _ious(self._second)
        headlines = self._headline(first), self._headline(second)
        return AgreementReport(
            images=self._images,
            pixels=self._pixels,
            agreement=self._same / max(1, self._pixels),
            mean_difference=self._difference / max(1, self._pixels),
            largest_difference=self._largest,
            iou_fp32=_known(headlines[0]),
            iou_int8=_known(headlines[1]),
            iou_change_points=_known(100 * (headlines[1] - headlines[0])),
            class_iou_change_points=dict(zip(names, map(_known, 100 * (second - first)), strict=True)),
            class_iou_with_fp32=dict(zip(names, map(_known, _ious(self._between)), strict=True)),
        )

    def _counted(self, truth: Ids, mask: Ids, valid: Valid) -> _Counts:
        return confusion_matrix(truth[valid], mask[valid], self._bundle.legend.num_classes).astype(np.float64)

    def _headline(self, ious: _Counts) -> float:
        if self._bundle.legend.is_binary:
            return float(ious[1])
        found = ious[np.isfinite(ious)]
        return float(found.mean()) if found.size else math.nan


def _ious(counts: _Counts) -> _Counts:
    either = counts.sum(axis=0) + counts.sum(axis=1) - np.diag(counts)
    ious = np.full(len(counts), np.nan)
    np.divide(np.diag(counts), either, out=ious, where=either > 0)
    return ious


def _known(value: float) -> float | None:
    return round(float(value), 6) if math.isfinite(value) else None


def quantize_graph(graph: bytes, chips: Iterable[Chip], *, keep: Collection[str] = ()) -> bytes:
    """Quantise an ONNX graph after training, with QuantizeLinear and DequantizeLinear around each operator.

    Weights are signed with a scale for each channel, in seven bits: processors without VNNI add pairs of products in 16
    bits, which eight would overflow. ONNX Runtime 1.17 and OpenVINO read the result.

    Args:
        graph: The content of an ONNX file.
        chips: Scaled chips (1, bands, height, width); the smallest and largest value of each activation in them become
            its range.
        keep: Names of layers that stay in fp32, such as those of `end_layers`.

    Returns:
        The content of the ONNX file in int8.

    Raises:
        MissingExtraError: The package onnx is not installed.
        DataError: The graph has nothing to quantise.
    """
    onnx = import_extra("onnx", "train", _PURPOSE)
    quantization = import_extra("onnxruntime.quantization", "train", _PURPOSE)
    model = _prepared(graph)
    name, waiting = model.graph.input[0].name, iter(chips)

    class Reader(quantization.CalibrationDataReader):  # type: ignore[name-defined,misc] # it publishes no types
        def get_next(self) -> dict[str, Chip] | None:
            return next(({name: chip} for chip in waiting), None)

    with TemporaryDirectory(prefix="overland-") as folder, _quiet():
        path = Path(folder) / "model.onnx"
        quantization.quantize_static(
            model,
            path,
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=list(_OPERATORS),
            nodes_to_exclude=list(keep),
            per_channel=True,
            reduce_range=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )
        quantized = onnx.load(path)
    if not any(node.op_type == "QuantizeLinear" for node in quantized.graph.node):
        raise DataError("The graph has no convolution or other layer that can be computed in int8.")
    content: bytes = quantized.SerializeToString()
    return content


def end_layers(graph: bytes) -> tuple[str, ...]:
    """Return the names of the first and last layer with weights, which int8 harms most.

    Args:
        graph: The content of an ONNX file.

    Returns:
        Two names; none where there are no other layers.
    """
    layers = [node.name for node in _prepared(graph).graph.node if node.op_type in _LAYERS]
    return (layers[0], layers[-1]) if len(layers) > 2 else ()


def _prepared(graph: bytes) -> Any:
    onnx = import_extra("onnx", "train", _PURPOSE)
    model = onnx.load_model_from_string(graph)
    use_subpixel_convolutions(model)
    for index, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{index}"
    # Says that constants and normalisation are folded, which torch's exporter did; else ONNX Runtime asks for it.
    model.metadata_props.add(key="onnx.quant.pre_process", value="onnxruntime.quant")
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    # ONNX Runtime's quantiser speaks through the root logger, of matters that a user of Overland cannot act on.
    root = logging.getLogger()
    root.addFilter(_is_error)
    try:
        yield
    finally:
        root.removeFilter(_is_error)


def _is_error(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR
