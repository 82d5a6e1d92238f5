"""A bundle's graph with everything in it, for programs that want one plain file."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from overland.bundle import ModelBundle
from overland.errors import import_extra

__all__ = ["whole_graph"]


def whole_graph(bundle: ModelBundle) -> bytes:
    """The serialised graph with its weights in it, in float32, and normalisation folded into them.

    That is the file itself, but for a compact bundle, whose weights lie in half precision in another file. Raises
    `MissingExtraError` without onnx.
    """
    content = bundle.graph_path.read_bytes()
    onnx = import_extra("onnx", "train", "Reading a graph")
    tensors = onnx.load_model_from_string(content).graph.initializer
    if not any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in tensors):
        return content
    with TemporaryDirectory(prefix="overland-") as folder:
        return _folded(onnx.load(bundle.graph_path).SerializeToString(), Path(folder) / "model.onnx")


def _folded(graph: bytes, output: Path) -> bytes:
    onnxruntime: Any = import_extra("onnxruntime", "train", "Reading a graph")
    options = onnxruntime.SessionOptions()
    # Basic: constants and normalisation are folded, and all operators stay those of ONNX.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(output)
    onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    return output.read_bytes()
