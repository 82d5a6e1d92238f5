"""Packages that training needs, checked before anything imports Lightning.

Lightning imports torchvision, which `overland.models` makes importable next to a build of PyTorch for CPUs.
"""

from __future__ import annotations

import importlib.util

from overland.errors import MissingExtraError

__all__: list[str] = []

_PACKAGES = ("torch", "lightning", "cv2", "onnx", "safetensors")

if not all(importlib.util.find_spec(package) for package in _PACKAGES):
    raise MissingExtraError(
        "Training needs PyTorch, Lightning and OpenCV, which are not all installed: pip install 'overland[train]'"
    )

import overland.models  # noqa: E402, F401 - after the check, whose message is the clearer one
