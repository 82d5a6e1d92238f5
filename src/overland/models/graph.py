"""From a network to its ONNX graph, so that prediction needs no PyTorch."""

from __future__ import annotations

import io
import math
import warnings

import torch
from torch import nn

__all__ = ["graph_from_model"]

_OPSET = 17
_SMALLEST_SIDE = 128  # pyramids that pool need more than a few pixels, whatever their stride


def graph_from_model(model: nn.Module, *, in_channels: int, size_divisor: int, named_weights: bool = False) -> bytes:
    """Serialise a network as ONNX: input "image" (batch, in_channels, height, width), output "logits", sizes free.

    The network is put in evaluation mode. Opset 17 and a single file, which every current runtime reads. With
    `named_weights` every weight is kept as it is under its PyTorch name: nothing is folded, which runtimes then do as
    they load the graph.
    """
    model = model.cpu().eval()
    # Two chips of unequal sides: an exporter that bakes a size in is found out by the tests at another size.
    unit = size_divisor * math.ceil(_SMALLEST_SIDE / 3 / size_divisor)
    example = torch.zeros(2, in_channels, 4 * unit, 3 * unit)
    axes = {0: "batch", 2: "height", 3: "width"}
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        # The tracing exporter is deprecated in words only: it takes 2 s where its successor takes 12 to 38, and the
        # successor's files (IR 10, external data) do not load in QGIS Deepness.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (example,),
            buffer,  # type: ignore[arg-type] # the tracing exporter takes a buffer
            dynamo=False,
            opset_version=_OPSET,
            input_names=["image"],
            output_names=["logits"],
            dynamic_axes={"image": axes, "logits": axes},
            training=torch.onnx.TrainingMode.PRESERVE if named_weights else torch.onnx.TrainingMode.EVAL,
            do_constant_folding=not named_weights,
        )
    return buffer.getvalue()
