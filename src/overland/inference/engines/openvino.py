"""OpenVINO: the fastest engine on x86 and ARM processors. Needs the extra `speed`."""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.bundle import ModelBundle
from overland.errors import import_extra
from overland.inference.engines.graph import (
    as_data_error,
    check_operators,
    check_ports,
    choose_precision,
    graph_file,
    warm_up,
)
from overland.inference.machine import cpu_count, cpu_workers

__all__ = ["OpenvinoEngine", "available_devices"]

# Importing openvino sends an event to Google Analytics and leaves a client id in the home folder. It does neither
# when its telemetry package is not there, so for us it never is.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type] # None: importing it raises ImportError
openvino = import_extra("openvino", "speed", "The engine openvino")

_OFFERED = ("fp32", "int8", "bf16")
_ERRORS = (RuntimeError,)
# A turned chip that is not square has the other of two shapes.
_KEPT_SHAPES = 2

Logits = npt.NDArray[np.float32]


def available_devices() -> list[str]:
    """List the devices that OpenVINO finds here; this engine uses "CPU"."""
    return [str(name) for name in openvino.Core().available_devices]


class OpenvinoEngine:
    """Runs a bundle's `model.onnx`, or `model.int8.onnx`, on the processor."""

    name = "openvino"
    device = "cpu"

    def __init__(
        self,
        bundle: ModelBundle,
        precision: str = "auto",
        threads: int | None = None,
        workers: int | None = None,
        max_workers: int | None = None,
    ) -> None:
        self.precision = choose_precision(precision, self.name, self.device, _OFFERED)
        self._path = graph_file(bundle, self.precision)
        check_operators(self._path)
        threads = threads or cpu_count()
        self.workers = workers or min(cpu_workers(threads), max_workers or threads)
        self._options = {
            "NUM_STREAMS": self.workers,
            "INFERENCE_NUM_THREADS": threads,
            # Without it OpenVINO takes bf16 by itself where the processor has it, and fp32 is not fp32.
            "INFERENCE_PRECISION_HINT": "bf16" if self.precision == "bf16" else "f32",
        }
        self._core = openvino.Core()
        with as_data_error(self._path, "cannot be loaded", _ERRORS):
            self._graph = self._core.read_model(self._path)
        takes, gives = self._graph.inputs, self._graph.outputs
        check_ports(bundle, self._path, [_shape(port) for port in takes], [_shape(port) for port in gives])
        self._networks: OrderedDict[tuple[int, ...], Any] = OrderedDict()
        self._lock = threading.Lock()
        self._of_thread = threading.local()
        # A type's first conversion enters a guard of C++ with the interpreter's lock held; here no other thread can.
        openvino.Type.f32.to_dtype()
        warm_up(bundle, self._path, self.run)
        # The small network is not wanted any more, and takes memory.
        self._networks.clear()

    def run(self, chips: npt.NDArray[np.float32]) -> Logits:
        """Run the network; several threads may call it at once.

        Args:
            chips: Scaled chips (batch, bands, height, width).

        Returns:
            Logits (batch, outputs, height, width).
        """
        with as_data_error(self._path, f"cannot run on chips of {chips.shape[2]} x {chips.shape[3]} pixels", _ERRORS):
            network = self._network_for(chips.shape)
            # A request runs one chip at a time, so each calling thread has its own.
            mine = self._of_thread
            if getattr(mine, "network", None) is not network:
                mine.network, mine.request = network, network.create_infer_request()
            request = mine.request
            request.infer({0: chips}, share_inputs=True)
            # The request writes its next logits over these.
            logits: Logits = request.get_output_tensor(0).data.copy()
        return logits

    def _network_for(self, shape: tuple[int, ...]) -> Any:
        # For one shape a network takes half the memory of one for any shape, and compiling takes a quarter of a second.
        with self._lock:
            if shape not in self._networks:
                graph = self._graph.clone()
                graph.reshape(list(shape))
                self._networks[shape] = self._core.compile_model(graph, "CPU", self._options)
            self._networks.move_to_end(shape)
            if len(self._networks) > _KEPT_SHAPES:
                self._networks.popitem(last=False)
            return self._networks[shape]


def _shape(port: Any) -> list[int | None]:
    shape = port.partial_shape
    return [side.get_length() if side.is_static else None for side in shape] if shape.rank.is_static else []
