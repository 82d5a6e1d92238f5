"""Training: the Lightning module, its data, callbacks and resume (torch)."""

import importlib.util

from overland.errors import MissingExtraError

# Looked for rather than imported: lightning may only be imported after the torchvision shim that models brings.
if not all(importlib.util.find_spec(package) for package in ("torch", "lightning", "cv2", "onnx", "safetensors")):
    raise MissingExtraError(
        "Training needs PyTorch, Lightning and OpenCV, which are not all installed: pip install 'overland[train]'"
    )

import overland.models  # noqa: F401 - makes torchvision importable, which lightning's import needs
from overland.training.loop import TrainedModel, fit

__all__ = ["TrainedModel", "fit"]
