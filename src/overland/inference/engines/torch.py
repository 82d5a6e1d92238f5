"""PyTorch: the engine that runs the weights themselves, on a GPU when there is one. Needs the extra `train`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError

from overland.bundle import ModelBundle, load_weights
from overland.errors import DataError, ResourceError
from overland.inference.engines.graph import choose_precision, warm_up
from overland.inference.machine import cpu_count
from overland.models import build_model

__all__ = ["TorchEngine", "available_devices"]

_OFFERED = {"cuda": ("fp16", "bf16", "fp32"), "mps": ("fp16", "fp32"), "cpu": ("fp32", "bf16")}
_TYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
# On a GPU one call computes while the other copies. On the processor PyTorch's own threads share one call best.
_WORKERS = {"cuda": 2, "mps": 1, "cpu": 1}


def available_devices() -> list[str]:
    """List the devices that PyTorch can use here, the fastest first: "cuda", "mps", "cpu"."""
    found = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    return [name for name, is_there in found.items() if is_there]


class TorchEngine:
    """Builds the network that a bundle describes and loads its weights."""

    name = "torch"

    def __init__(
        self,
        bundle: ModelBundle,
        precision: str = "auto",
        threads: int | None = None,
        workers: int | None = None,
        max_workers: int | None = None,
    ) -> None:
        self.device = available_devices()[0]
        self.precision = choose_precision(precision, self.name, self.device, _OFFERED[self.device])
        self.workers = workers or min(_WORKERS[self.device], max_workers or 2)
        torch.set_num_threads(max(1, (threads or cpu_count()) // self.workers))
        self._network = _load_network(bundle).to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        warm_up(bundle, bundle.weights_path, self.run)

    def run(self, chips: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Run the network; several threads may call it at once.

        Args:
            chips: Scaled chips (batch, bands, height, width).

        Returns:
            Logits (batch, outputs, height, width).
        """
        mixed = torch.autocast(self.device, _TYPES[self.precision], enabled=self.precision != "fp32")
        try:
            with torch.inference_mode(), mixed:
                images = torch.from_numpy(chips).to(self.device, memory_format=torch.channels_last)
                logits: torch.Tensor = self._network(images).float().contiguous()
                return np.asarray(logits.cpu().numpy(), np.float32)
        except torch.OutOfMemoryError as error:
            raise ResourceError(f"The {self.device} is out of memory. Try a smaller --chip-size.") from error


def _load_network(bundle: ModelBundle) -> torch.nn.Module:
    network = build_model(bundle.model)
    try:
        weights = {name: torch.from_numpy(array) for name, array in load_weights(bundle).items()}
        network.load_state_dict(weights)
    except SafetensorError as error:
        raise DataError(f"{bundle.weights_path} cannot be read ({error}). Copy the bundle again.") from error
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{bundle.weights_path} is not of the network in config.json ({reason})") from error
    return network.eval()
