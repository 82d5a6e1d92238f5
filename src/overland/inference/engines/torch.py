"""PyTorch: the engine that runs the weights themselves, on a GPU when there is one. Needs the extra `train`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from overland.bundle import ModelBundle, load_weights
from overland.errors import DataError, ResourceError
from overland.models import build_model

__all__ = ["TorchEngine", "available_devices"]


def available_devices() -> list[str]:
    """Names of the devices that PyTorch can use here, the fastest first: "cuda", "mps", "cpu"."""
    found = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    return [name for name, is_there in found.items() if is_there]


class TorchEngine:
    """Builds the network that a bundle describes and loads its weights."""

    name = "torch"

    def __init__(self, bundle: ModelBundle, threads: int | None = None) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        network = build_model(bundle.model)
        try:
            network.load_state_dict({name: torch.from_numpy(array) for name, array in load_weights(bundle).items()})
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise DataError(f"{bundle.weights_path} is not of the network in config.json ({reason})") from error
        self._device = torch.device(available_devices()[0])
        self._network = network.eval().to(self._device)

    def run(self, chips: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Turn scaled chips (batch, bands, height, width) into logits (batch, scores, height, width)."""
        try:
            with torch.inference_mode():
                logits: npt.NDArray[np.float32] = self._network(torch.from_numpy(chips).to(self._device)).cpu().numpy()
        except torch.OutOfMemoryError as error:
            raise ResourceError(f"The {self._device.type} is out of memory. Try a smaller --chip-size.") from error
        return logits
