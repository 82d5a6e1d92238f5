"""A bundle in a quarter of its size: weights in half precision, stored once.

`model.safetensors` holds them by their PyTorch names, as in every bundle; `model.onnx` has none of its own but names
places in that file (ONNX external data: file, offset, length) and casts what lies there to float32. ONNX Runtime and
OpenVINO fold the casts and the normalisation as they load it, so that the network runs as fast, in float32.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.bundle import ModelBundle, load_weights, save_bundle
from overland.errors import DataError, UsageError, import_extra
from overland.inference.probabilities import probabilities_from_logits

__all__ = ["LARGEST_DIFFERENCE", "compact_bundle"]

Weights = Mapping[str, npt.NDArray[Any]]

LARGEST_DIFFERENCE = 2e-3
"""The largest difference of a probability, on a chip of noise, with which a compact bundle is written."""

_PURPOSE = "Making a compact bundle"
_LENGTH = struct.Struct("<Q")
_CHIPS = 4
# Smaller tensors stay in float32: biases, normalisation, the first and last layers. On a road model of 4.4 million
# parameters that takes 31 kB, and the largest difference of a probability falls from 0.008 to 0.0006.
_SMALL = 10_000


def compact_bundle(bundle: ModelBundle, path: str | Path, *, card: str | None = None) -> ModelBundle:
    """Write a copy of a bundle in about a quarter of its size; one that is at `path` already is replaced.

    Weights of 10,000 numbers and more are rounded to float16; smaller ones stay as they are. The ONNX graph is exported
    again from the network, and the copy is run on noise next to the original before anything is written. An int8 graph
    is copied.

    Args:
        bundle: The bundle.
        path: The folder of the copy.
        card: The model card of the copy; that of the bundle by default.

    Returns:
        The copy.

    Raises:
        MissingExtraError: The extra train is not installed.
        UsageError: Overland cannot build the network.
        DataError: A probability differs by more than `LARGEST_DIFFERENCE`.
    """
    weights = {}
    for name, array in load_weights(bundle).items():
        is_large = array.dtype == np.float32 and array.size >= _SMALL
        is_halved = is_large and np.abs(array).max() <= np.finfo(np.float16).max
        weights[name] = array.astype(np.float16) if is_halved else array
    files: dict[str, Any] = {
        "weights": weights,
        "graph": _graph(bundle, weights),
        "card": card if card is not None else (bundle.graph_path.parent / "README.md").read_text(encoding="utf-8"),
        "int8_graph": None if bundle.int8_path is None else bundle.int8_path.read_bytes(),
    }
    with TemporaryDirectory(prefix="overland-") as folder:
        copy = save_bundle(bundle, Path(folder) / "model", **files)
        onnxruntime = import_extra("onnxruntime", "train", _PURPOSE)
        side = 2 * bundle.size_divisor * max(1, 64 // bundle.size_divisor)
        chips = np.random.default_rng(0).normal(size=(_CHIPS, bundle.in_channels, side, side)).astype(np.float32)
        first, second = (
            probabilities_from_logits(
                each, onnxruntime.InferenceSession(str(each.graph_path)).run(None, {"image": chips})[0]
            )
            for each in (bundle, copy)
        )
        difference = float(np.abs(first - second).max())
    if difference > LARGEST_DIFFERENCE:
        raise DataError(
            f"In half precision the probabilities of {bundle.path} differ by up to {difference:.4f}, more than "
            f"{LARGEST_DIFFERENCE}. Keep the bundle as it is."
        )
    return save_bundle(bundle, path, **files)


def _graph(bundle: ModelBundle, weights: Weights) -> bytes:
    onnx = import_extra("onnx", "train", _PURPOSE)
    safetensors = import_extra("safetensors.numpy", "train", _PURPOSE)
    # overland.models first: it makes torchvision importable next to a PyTorch without CUDA.
    models = import_extra("overland.models", "train", _PURPOSE)
    torch = import_extra("torch", "train", _PURPOSE)
    try:
        network = models.build_model(bundle.model)
        network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    except (UsageError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(
            f"{bundle.path} cannot be made compact: its network cannot be built again from config.json ({reason})."
        ) from error
    exported = models.graph_from_model(
        network, in_channels=bundle.in_channels, size_divisor=models.size_divisor_of(network), named_weights=True
    )
    model = onnx.load_model_from_string(exported)
    # The same bytes as save_bundle writes, so the places are those in the file.
    stored = safetensors.save({name: np.asarray(array, order="C") for name, array in weights.items()})
    (length,) = _LENGTH.unpack_from(stored)
    start = _LENGTH.size + length
    entries = json.loads(stored[_LENGTH.size : start])
    entries.pop("__metadata__", None)
    for tensor in model.graph.initializer:
        entry = entries.get(tensor.name)
        if entry is not None and entry["dtype"] in ("F16", "F32"):
            first, end = entry["data_offsets"]
            _refer(onnx, model.graph, tensor, entry["dtype"], start + first, end - first)
    content: bytes = model.SerializeToString()
    return content


def _refer(onnx: Any, graph: Any, tensor: Any, dtype: str, offset: int, length: int) -> None:
    name, kind = tensor.name, onnx.TensorProto.FLOAT16 if dtype == "F16" else onnx.TensorProto.FLOAT
    external = onnx.TensorProto(name=name, data_type=kind, dims=tensor.dims, data_location=onnx.TensorProto.EXTERNAL)
    for key, value in (("location", "model.safetensors"), ("offset", offset), ("length", length)):
        external.external_data.add(key=key, value=str(value))
    tensor.CopyFrom(external)
    if dtype == "F16":
        wide = f"{name}.float32"
        for node in graph.node:
            for index, input_name in enumerate(node.input):
                if input_name == name:
                    node.input[index] = wide
        graph.node.insert(0, onnx.helper.make_node("Cast", [name], [wide], to=onnx.TensorProto.FLOAT))
