"""Eight bits: a graph with its weights and activations quantised, calibrated on chips like those it will see."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.errors import DataError, import_extra
from overland.export.subpixel import use_subpixel_convolutions

__all__ = ["end_layers", "quantize_graph"]

Chip = npt.NDArray[np.float32]

_PURPOSE = "Making a graph in eight bits"
# What runtimes compute in eight bits. Pooling, joining and resizing are among them so that values stay in eight bits
# from one convolution to the next. What is not named here stays in fp32: softmax and normalisation, and the parts of
# swish and squeeze-excitation, with which OpenVINO ran EfficientNet-B0 slower (0.85 of fp32) than without (1.2).
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


def quantize_graph(graph: bytes, chips: Iterable[Chip], *, keep: Collection[str] = ()) -> bytes:
    """Quantise a serialised ONNX graph after training, with QuantizeLinear and DequantizeLinear around each operator.

    `chips` are scaled chips (1, bands, height, width); the smallest and largest value of each activation in them
    become its range. Weights are signed with a scale for each channel, in seven bits: processors without VNNI add
    pairs of products in 16 bits, which eight would overflow. `keep` names layers that stay in fp32 (`end_layers`).
    ONNX Runtime 1.17 and OpenVINO read the result. Raises `MissingExtraError` without onnx, and `DataError` for a graph
    without anything to quantise.
    """
    onnx = import_extra("onnx", "train", _PURPOSE)
    quantization = import_extra("onnxruntime.quantization", "train", _PURPOSE)
    model = _prepared(graph)
    with TemporaryDirectory(prefix="overland-") as folder, _quiet():
        path = Path(folder) / "model.onnx"
        quantization.quantize_static(
            model,
            path,
            _reader(quantization, model.graph.input[0].name, chips),
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
        raise DataError("The graph has no convolution or other layer that can be computed in eight bits.")
    content: bytes = quantized.SerializeToString()
    return content


def end_layers(graph: bytes) -> tuple[str, ...]:
    """Names of the first and last layer with weights, which eight bits harm most; empty where there are no others."""
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


def _reader(quantization: Any, name: str, chips: Iterable[Chip]) -> Any:
    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc] # the library publishes no types
        def __init__(self) -> None:
            self._chips = iter(chips)

        def get_next(self) -> dict[str, Chip] | None:
            return next(({name: chip} for chip in self._chips), None)

    return Reader()


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
