"""Makes torchvision importable where it was built for CUDA and PyTorch for the CPU.

That happens to users who mix package indexes: PyTorch from the index of CPU builds, torchvision from PyPI, whose
operators load only where CUDA is. Its import then fails with "operator torchvision::nms does not exist", and with it
those of timm, segmentation_models_pytorch, lightning and torchmetrics. Overland detects no boxes, so declaring the
schemas of the two operators is enough: the import works, and a call to `nms` raises. Nothing happens, and nothing is
said, where torchvision loads by itself.
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

    To be called before torchvision is imported.

    Returns:
        True where something was declared. False where CUDA is, where torchvision is not installed, where its extension
        loads, and for a second call.
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
