"""Bundles whose networks are a few lines of ONNX, so that the right scores are known without training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from overland.bundle import ModelBundle, save_bundle
from overland.legend import legend_from_names

__all__ = ["conv_graph", "made_bundle", "mean_bundle", "ranking_bundle", "threshold_bundle"]


def conv_graph(weight: np.ndarray, bias: np.ndarray) -> bytes:
    """One convolution (scores, bands, k, k) that pads with zeros, as a network does."""
    outputs, inputs, side, _ = weight.shape
    node = helper.make_node("Conv", ["image", "weight", "bias"], ["logits"], pads=[side // 2] * 4)
    graph = helper.make_graph(
        [node],
        "made",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", inputs, "height", "width"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", outputs, "height", "width"])],
        [
            numpy_helper.from_array(weight.astype(np.float32), "weight"),
            numpy_helper.from_array(bias.astype(np.float32), "bias"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def made_bundle(path: Path, weight: np.ndarray, bias: np.ndarray, **settings: Any) -> ModelBundle:
    """Save a bundle around one convolution; `settings` replace those of a model of uint8 scenes."""
    bands = weight.shape[1]
    values: dict[str, Any] = {
        "legend": legend_from_names(["background", "road"]),
        "model": {"architecture": "made", "in_channels": bands, "classes": weight.shape[0]},
        "bands": tuple(range(1, bands + 1)),
        "dtype": "uint8",
        "mean": (0.0,) * bands,
        "std": (1.0,) * bands,
        "chip_size": 64,
        "size_divisor": 8,
        "halo": 4,
        "activation": "sigmoid",
    }
    bundle = ModelBundle(**{**values, **settings})
    return save_bundle(bundle, path, weights={"weight": weight}, graph=conv_graph(weight, bias), card="# Made\n")


def threshold_bundle(path: Path, *, bands: int = 1, limit: float = 127.5, **settings: Any) -> ModelBundle:
    """Road where the mean of the bands is above a limit: purely local."""
    weight = np.full((1, bands, 1, 1), 1 / bands)
    return made_bundle(path, weight, np.array([-limit]), **settings)


def mean_bundle(path: Path, *, side: int = 3, limit: float = 100.0, gain: float = 0.05, **settings: Any) -> ModelBundle:
    """Road where the mean over side x side pixels is above a limit: sees its neighbours, and zeros beyond a chip."""
    weight = np.full((1, 1, side, side), gain / side**2)
    return made_bundle(path, weight, np.array([-gain * limit]), **settings)


def ranking_bundle(path: Path, **settings: Any) -> ModelBundle:
    """Three classes, the one whose band is the brightest wins: purely local."""
    settings = {"legend": legend_from_names(["forest", "water", "urban"]), "activation": "softmax", **settings}
    return made_bundle(path, np.eye(3).reshape(3, 3, 1, 1), np.zeros(3), **settings)
