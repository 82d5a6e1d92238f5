"""A bundle's network as a plain PyTorch module, for tools that scale pixels and choose classes in their own way.

Runs in the environment of a peer, with Overland's `src` on the path: only the module's code is taken from it.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

# Also makes a torchvision that was built for CUDA importable, which both peers need.
from overland.models import build_model

__all__ = ["ScaledNetwork", "measured", "network_of_bundle"]


class ScaledNetwork(nn.Module):
    """The network behind its own scaling: pixels / 255 in, one logit for each class out."""

    def __init__(self, network: nn.Module, mean: list[float], std: list[float]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(mean)[:, None, None] / 255)
        self.register_buffer("std", torch.tensor(std)[:, None, None] / 255)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (batch, classes, height, width); a network with one logit gets a second class of logit 0."""
        logits: Tensor = self.network((image - self.mean) / self.std)
        # softmax over (0, z) is sigmoid(z).
        return torch.cat([torch.zeros_like(logits), logits], 1) if logits.shape[1] == 1 else logits


def network_of_bundle(folder: Path) -> tuple[ScaledNetwork, int]:
    """Build a bundle's network with its weights; also gives the number of classes."""
    settings = json.loads((folder / "overland.json").read_text(encoding="utf-8"))
    network = build_model(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    network.load_state_dict(load_file(folder / "model.safetensors"))
    return ScaledNetwork(network, settings["mean"], settings["std"]).eval(), len(settings["legend"]["names"])


def measured(predict: Callable[[], None], **values: Any) -> None:
    """Call a prediction and print, as JSON, the seconds it took and the most memory that the process ever had."""
    started = time.perf_counter()
    predict()
    seconds = time.perf_counter() - started
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    assert peak is not None
    print(json.dumps({"seconds": seconds, "peak_memory_mb": int(peak[1]) * 1024 / 1e6, **values}))
