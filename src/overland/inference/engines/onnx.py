"""ONNX Runtime, the engine of the base install; on an NVIDIA GPU where onnxruntime-gpu is installed."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

# ONNX Runtime's errors share no base class of their own, so those that can occur here are named.
from onnxruntime.capi.onnxruntime_pybind11_state import (
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
    NoSuchFile,
    NotImplemented,
    RuntimeException,
)

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
from overland.inference.machine import cpu_count, cpu_workers, has_cuda

__all__ = ["OnnxEngine", "half_precision"]

_ERRORS = (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NoSuchFile, NotImplemented, RuntimeException)
_ONLY_ERRORS = 3
_CUDA, _CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
_OFFERED = {"cpu": ("fp32", "int8"), "cuda": ("fp16", "fp32")}
# While one call copies its chips or logits, the other computes.
_CUDA_WORKERS = 2


class OnnxEngine:
    """Runs a bundle's `model.onnx`, or `model.int8.onnx`; eight bits always on the processor."""

    name = "onnx"

    def __init__(
        self,
        bundle: ModelBundle,
        precision: str = "auto",
        threads: int | None = None,
        workers: int | None = None,
        max_workers: int | None = None,
    ) -> None:
        with_cuda = precision != "int8" and _CUDA in onnxruntime.get_available_providers() and has_cuda()
        self.device = "cuda" if with_cuda else "cpu"
        self.precision = choose_precision(precision, self.name, self.device, _OFFERED[self.device])
        self._path = graph_file(bundle, self.precision)
        check_operators(self._path)
        threads = threads or cpu_count()
        wanted = _CUDA_WORKERS if self.device == "cuda" else min(cpu_workers(threads), max_workers or threads)
        self.workers = workers or wanted
        with as_data_error(self._path, "cannot be loaded", _ERRORS):
            self._session = self._open_session(math.ceil(threads / self.workers))
        takes, gives = self._session.get_inputs(), self._session.get_outputs()
        with as_data_error(self._path, "cannot be loaded", (UnicodeDecodeError,)):
            # A free axis has a name instead of a number.
            shapes = [
                [[side if isinstance(side, int) else None for side in port.shape] for port in ports]
                for ports in (takes, gives)
            ]
        check_ports(bundle, self._path, *shapes)
        self._input = str(takes[0].name)
        stop = onnxruntime.RunOptions()
        warm_up(bundle, self._path, partial(self._run, options=stop), cancel=lambda: setattr(stop, "terminate", True))

    def run(self, chips: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Run the network; several threads may call it at once.

        Args:
            chips: Scaled chips (batch, bands, height, width).

        Returns:
            Logits (batch, outputs, height, width).
        """
        return self._run(chips)

    def _run(
        self, chips: npt.NDArray[np.float32], options: onnxruntime.RunOptions | None = None
    ) -> npt.NDArray[np.float32]:
        with as_data_error(self._path, f"cannot run on chips of {chips.shape[2]} x {chips.shape[3]} pixels", _ERRORS):
            logits: npt.NDArray[np.float32] = self._session.run(None, {self._input: chips}, options)[0]
        return logits

    def _open_session(self, threads: int) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = _ONLY_ERRORS
        # The plan of memory that it makes in the first run takes up to twice the memory and saves no time.
        options.enable_mem_pattern = False
        # Threads that spin while they wait take the processor from those that read and write.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        graph = half_precision(self._path) if self.precision == "fp16" else self._path
        providers = [(_CUDA, {"use_tf32": "0"}), _CPU] if self.device == "cuda" else [_CPU]
        return onnxruntime.InferenceSession(graph, options, providers=providers)


def half_precision(path: Path) -> bytes:
    """Read a graph and turn it into fp16, chips and logits excepted.

    Args:
        path: The ONNX file.

    Returns:
        The graph, serialised.

    Raises:
        MissingExtraError: The package onnx is not installed.
    """
    onnx = import_extra("onnx", "train", "fp16 on the engine onnx")
    float16 = import_extra("onnxruntime.transformers.float16", "train", "fp16 on the engine onnx")
    graph: bytes = float16.convert_float_to_float16(onnx.load(path), keep_io_types=True).SerializeToString()
    return graph
