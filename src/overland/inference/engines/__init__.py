"""Engines: what runs a network. Each takes scaled chips and gives logits; nothing else in Overland knows them apart."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from overland.bundle import ModelBundle
from overland.errors import UsageError, import_extra

__all__ = ["ENGINES", "Engine", "open_engine"]

ENGINES = ("auto", "onnx", "torch")


class Engine(Protocol):
    """A network that is ready to run."""

    @property
    def name(self) -> str:
        """One of `ENGINES`, never "auto"."""

    def run(self, chips: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Turn scaled chips (batch, bands, height, width) into logits (batch, scores, height, width)."""


def open_engine(bundle: ModelBundle, name: str = "auto", *, threads: int | None = None) -> Engine:
    """Make a bundle's network ready: "onnx" (base install), "torch" (extra train) or "auto", which is onnx.

    `threads` are those of one run; all of the machine's by default. Raises `UsageError` for an unknown engine,
    `MissingExtraError` when its extra is not installed, `DataError` when the network cannot be loaded.
    """
    # Imported late: each engine costs half a second and more, and the base install has no torch.
    if name in ("auto", "onnx"):
        from overland.inference.engines.onnx import OnnxEngine

        return OnnxEngine(bundle, threads)
    if name == "torch":
        import_extra("torch", "train", "The engine torch")
        from overland.inference.engines.torch import TorchEngine

        return TorchEngine(bundle, threads)
    raise UsageError(f"There is no engine {name!r}; choose one of {', '.join(ENGINES)}.")
