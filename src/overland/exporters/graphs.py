"""ONNX graphs of bundles made whole, and rewritten for int8: transposed convolutions as subpixel convolutions."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.bundle import ModelBundle
from overland.errors import DataError, import_extra

__all__ = [
    "use_subpixel_convolutions",
    "whole_graph",
]


Array = npt.NDArray[Any]


def use_subpixel_convolutions(model: Any) -> None:
    """Replace, in place, each ConvTranspose of an ONNX model whose kernel is its stride by Conv and DepthToSpace.

    The result is the same, and ONNX Runtime has int8 kernels for these two but none for the first.

    Args:
        model: An onnx.ModelProto. Other transposed convolutions are left as they are.

    Raises:
        MissingExtraError: The package onnx is not installed.

    Source: Shi et al. 2016, Is the deconvolution layer the same as a convolutional layer? arXiv:1609.07009.
    """
    onnx = import_extra("onnx", "train", "Rewriting a graph")
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        if not _is_subpixel(onnx, node, constants):
            nodes.append(node)
            continue
        # A weight and maybe a bias.
        weight, *biases = (constants[name] for name in node.input[1:])
        inputs, outputs, size, _ = weight.shape
        kernel = np.ascontiguousarray(weight.transpose(1, 2, 3, 0).reshape(outputs * size**2, inputs, 1, 1))
        arrays = [kernel, *(np.repeat(bias, size**2) for bias in biases)]
        names = [f"{node.output[0]}/subpixel_{word}" for word in ("weight", "bias")[: len(arrays)]]
        between = f"{node.output[0]}/channels"
        nodes += [
            onnx.helper.make_node("Conv", [node.input[0], *names], [between], f"{node.name}/Conv", kernel_shape=[1, 1]),
            onnx.helper.make_node(
                "DepthToSpace", [between], node.output, f"{node.name}/DepthToSpace", blocksize=size, mode="CRD"
            ),
        ]
        model.graph.initializer.extend(map(onnx.numpy_helper.from_array, arrays, names))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    # The weights of the nodes that have gone go, too.
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


def _is_subpixel(onnx: Any, node: Any, constants: dict[str, Array]) -> bool:
    if node.op_type != "ConvTranspose" or not all(name in constants for name in node.input[1:]):
        return False
    settings = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
    height, width = constants[node.input[1]].shape[2:]
    return (
        height == width
        and list(settings.get("strides", [1, 1])) == [height, width]
        and settings.get("group", 1) == 1
        and set(settings.get("dilations", [1])) == {1}
        and not any((*settings.get("pads", []), *settings.get("output_padding", [])))
        and settings.get("auto_pad", b"NOTSET") == b"NOTSET"
        and "output_shape" not in settings
    )


def whole_graph(bundle: ModelBundle) -> bytes:
    """Return the ONNX graph of a bundle in one file: with its weights in it, in float32, and normalisation folded.

    That is the file itself, but for a compact bundle, whose weights lie in half precision in another file.

    Args:
        bundle: The bundle.

    Returns:
        The content of an ONNX file.

    Raises:
        MissingExtraError: The package onnx is not installed.
        DataError: The graph's weights are not where it says.
    """
    content = bundle.graph_path.read_bytes()
    onnx = import_extra("onnx", "train", "Reading a graph")
    tensors = onnx.load_model_from_string(content).graph.initializer
    if not any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in tensors):
        return content
    with TemporaryDirectory(prefix="overland-") as folder:
        output = Path(folder) / "model.onnx"
        onnxruntime: Any = import_extra("onnxruntime", "train", "Reading a graph")
        options = onnxruntime.SessionOptions()
        # Basic: constants and normalisation are folded, and all operators stay those of ONNX.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(output)
        try:
            graph = onnx.load(bundle.graph_path).SerializeToString()
        except (ValueError, onnx.checker.ValidationError) as error:
            raise DataError(
                f"{bundle.graph_path} cannot be read with its weights ({' '.join(str(error).split())}). Copy the model "
                "again."
            ) from error
        onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        return output.read_bytes()
