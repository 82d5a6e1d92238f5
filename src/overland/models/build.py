"""From settings to a network, and from a network to its ONNX graph.

A network is our plain U-Net, torchvision's FCN, a network that Keras saved, any of segmentation_models_pytorch, or one
of the user's own.
"""

from __future__ import annotations

import inspect
import io
import logging
import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from overland.errors import AccessError, UsageError, import_extra
from overland.models.encoders import is_weights_file, load_encoder_weights
from overland.models.keras.network import KerasNetwork
from overland.models.lite_encoders import LITE_ENCODERS, lite_settings, lite_weights
from overland.models.published import Fcn, FixedSize, make_pools_exportable
from overland.models.unet import PlainUnet
from overland.text import closest_name

__all__ = ["build_model", "graph_from_model", "model_settings", "parameter_counts", "size_divisor_of"]

logger = logging.getLogger(__name__)

_PLAIN = "PlainUnet"
_KERAS = "KerasNetwork"
_OURS: dict[str, Callable[..., nn.Module]] = {_PLAIN: PlainUnet, "FCN": Fcn, _KERAS: KerasNetwork}
_DEFAULT_DIVISOR = 32
_OPSET = 17
_SMALLEST_SIDE = 128  # pyramids that pool need more than a few pixels, whatever their stride


def model_settings(settings: Mapping[str, Any], *, in_channels: int, classes: int) -> dict[str, Any]:
    """Complete a recipe's `model` with what the data decide; the result builds the same network anywhere.

    Args:
        settings: `architecture` and that architecture's own options; `encoder` is short for `encoder_name`, and
            efficientnet-lite0 (1, 2) is a name of Overland's own.
        in_channels: Number of bands.
        classes: Number of logits.

    Returns:
        Settings with the keys of segmentation_models_pytorch, which a bundle keeps as `config.json`.
    """
    complete = dict(settings)
    if "encoder" in complete:
        complete["encoder_name"] = complete.pop("encoder")
    complete.setdefault("architecture", _PLAIN)
    return lite_settings(complete) | {"in_channels": in_channels, "classes": classes}


def build_model(
    settings: Mapping[str, Any],
    *,
    pretrained: bool = False,
    own: nn.Module | Callable[..., nn.Module] | None = None,
) -> nn.Module:
    """Build the network that `model_settings` describes.

    Args:
        settings: Architecture and options.
        pretrained: Give the encoder the `encoder_weights` of the settings, a file or a name on the hub, for training; a
            bundle brings its own.
        own: The network that an architecture "package.module:name" stands for, or what makes it of `in_channels`,
            `classes` and the other options. Nothing is imported by that name here, as a bundle may come from anybody.

    Returns:
        Scaled chips (n, in_channels, h, w) to logits (n, classes, h, w).

    Raises:
        UsageError: The architecture or an option is unknown, or the architecture is somebody's own and not given.
        AccessError: Weights cannot be fetched.
        DataError: A file of weights cannot be used.
        MissingExtraError: The package with an encoder's weights is not installed.
    """
    options = dict(settings)
    if side := options.pop("fixed_size", 0):
        nearest = bool(options.pop("fixed_size_nearest", False))
        return FixedSize(build_model(options, pretrained=pretrained, own=own), int(side), nearest=nearest)
    options.pop("fixed_size_nearest", None)
    architecture = str(options.pop("architecture"))
    named = options.pop("encoder_weights", None)
    weights = named if pretrained and named != "none" else None
    if weights in LITE_ENCODERS:
        weights = str(lite_weights(str(weights)))
    if ":" in architecture:
        return _own_network(architecture, own, options)
    if not is_weights_file(weights):
        return _built(architecture, options, weights)
    model = _built(architecture, options, None)
    for note in load_encoder_weights(model, str(weights)):
        logger.info("%s", note)
    return model


def size_divisor_of(model: nn.Module) -> int:
    """Return the number that the sides of a chip must be multiples of.

    Args:
        model: A network; its own `size_divisor` counts, else the stride of its encoder, else 32.
    """
    # smp's networks have it in their encoder, and dilated ones need less than the others.
    stride = getattr(getattr(model, "encoder", None), "output_stride", _DEFAULT_DIVISOR)
    return int(getattr(model, "size_divisor", stride))


def parameter_counts(model: nn.Module) -> tuple[int, int]:
    """Count the trainable parameters, and the statistics of batch normalisation (running means and variances).

    Keras counts the statistics among a model's parameters, as not trainable; PyTorch keeps them apart, as buffers.

    Args:
        model: A network.
    """
    trainable = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    statistics = [value for norm in norms for value in (norm.running_mean, norm.running_var) if value is not None]
    return trainable, sum(value.numel() for value in statistics)


def graph_from_model(model: nn.Module, *, in_channels: int, size_divisor: int, named_weights: bool = False) -> bytes:
    """Serialise a network as ONNX, so that prediction needs no PyTorch.

    Opset 17 and a single file, which every current runtime reads. The network is put in evaluation mode.

    Args:
        model: Scaled chips (n, in_channels, h, w) to logits (n, classes, h, w).
        in_channels: Number of bands.
        size_divisor: Number that the sides of a chip must be multiples of.
        named_weights: Keep every weight as it is under its PyTorch name: nothing is folded, which runtimes then do as
            they load the graph.

    Returns:
        The graph with input "image" and output "logits", free in batch, height and width.
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


def _own_network(
    architecture: str, own: nn.Module | Callable[..., nn.Module] | None, options: Mapping[str, Any]
) -> nn.Module:
    if own is None:
        raise UsageError(
            f"The network is somebody's own ({architecture}), whose code is not run here; its ONNX graph holds it. "
            "Use --engine onnx or openvino."
        )
    if isinstance(own, nn.Module):
        return own
    try:
        network = own(**options)
    except (TypeError, ValueError, RuntimeError, KeyError) as error:
        raise UsageError(f"{architecture} cannot be built from {dict(options)}: {error}") from error
    if not isinstance(network, nn.Module):
        raise UsageError(f"{architecture} must give a torch.nn.Module; it gives {type(network).__name__}.")
    return network


def _built(architecture: str, options: dict[str, Any], weights: str | None) -> nn.Module:
    build = _OURS.get(architecture)
    if build is None:
        smp = import_extra("segmentation_models_pytorch", "train", f"The architecture {architecture}")
        by_name: dict[str, Callable[..., nn.Module]] = smp.MODEL_ARCHITECTURES_MAPPING
        if architecture.lower() not in by_name:
            known = [*_OURS, *(model.__name__ for model in by_name.values())]
            raise UsageError(
                f"There is no architecture {architecture!r}{closest_name(architecture, known)}. "
                f"There are {', '.join(known)}; or one of your own as package.module:name."
            )
        build = by_name[architecture.lower()]
    is_timm = str(options.get("encoder_name", "")).startswith("tu-")
    # timm takes more than smp lists; smp's own encoders would take anything and say nothing.
    if not is_timm:
        known = [name for name in inspect.signature(build).parameters if name not in ("kwargs", "encoder_weights")]
        for name in options:
            if name not in known:
                raise UsageError(
                    f"{architecture} has no option {name!r}{closest_name(name, known)}. It has {', '.join(known)}."
                )
    if architecture not in (_PLAIN, _KERAS):
        # In smp a timm encoder is asked for by true; which of its weights is part of its name.
        options = options | {"encoder_weights": True if weights is not None and is_timm else weights}
    elif weights is not None:
        raise UsageError(f"encoder_weights were given, but {architecture} has no encoder that can be pretrained.")
    try:
        network = build(**options)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UsageError(f"{architecture} cannot be built from {options}: {error}") from error
    except OSError as error:
        raise AccessError(
            f"The weights {weights!r} of {options.get('encoder_name')} cannot be fetched ({error}). Check the network; "
            "or give a file (.safetensors, .pth, .npz) with --encoder-weights; or train from scratch with "
            "--encoder-weights none."
        ) from error
    if architecture not in _OURS:
        make_pools_exportable(network)
    return network
