"""Lets a torchvision that was built for CUDA be imported beside a CPU build of PyTorch.

The registry's torchvision brings compiled operators that load only where CUDA is. Without them its import fails with
"operator torchvision::nms does not exist", and with it timm, segmentation_models_pytorch, lightning and torchmetrics
fail. Overland detects no boxes, so declaring the operators' schemas is enough: the import works, a call to `nms`
raises. Must be imported before torchvision is.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch

__all__ = ["declare_missing_operators"]

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_libraries: list[torch.library.Library] = []


def declare_missing_operators() -> bool:
    """Declare the operators that torchvision's import needs, when its own extension cannot load.

    Returns whether anything was declared. Does nothing where CUDA is, where torchvision is not installed, where the
    extension loads, and when called again.
    """
    if _libraries or torch.version.cuda is not None or _extension_loads():
        return False
    library = torch.library.Library("torchvision", "DEF")
    for schema in _SCHEMAS:
        library.define(schema)
    # The operators vanish with the library object, so it is kept for the life of the process.
    _libraries.append(library)
    return True


def _extension_loads() -> bool:
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return True
    extensions = sorted(Path(spec.origin).parent.glob("_C*.so"))
    try:
        for extension in extensions:
            torch.ops.load_library(str(extension))
    except OSError:
        return False
    return bool(extensions) and hasattr(torch.ops.torchvision, "nms")
