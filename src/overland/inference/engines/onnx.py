"""ONNX Runtime, the engine of the base install; on an NVIDIA GPU where onnxruntime-gpu is installed."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

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
from overland.inference.engines.graph import as_data_error, check_channels, choose_precision, graph_file
from overland.inference.machine import cpu_count, cpu_streams, has_cuda

__all__ = ["OnnxEngine", "half_precision"]

_ERRORS = (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NoSuchFile, NotImplemented, RuntimeException)
_ONLY_ERRORS = 3
_CUDA, _CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
_OFFERED = {"cpu": ("fp32", "int8"), "cuda": ("fp16", "fp32")}
# While one call copies its chips or logits, the other computes.
_CUDA_STREAMS = 2


class OnnxEngine:
    """Runs a bundle's `model.onnx`, or `model.int8.onnx`; eight bits always on the processor."""

    name = "onnx"

    def __init__(
        self, bundle: ModelBundle, precision: str = "auto", threads: int | None = None, streams: int | None = None
    ) -> None:
        self.device = "cuda" if precision != "int8" and _cuda_works() else "cpu"
        self.precision = choose_precision(precision, self.name, self.device, _OFFERED[self.device])
        self._path = graph_file(bundle, self.precision)
        threads = threads or cpu_count()
        self.streams = streams or (_CUDA_STREAMS if self.device == "cuda" else cpu_streams(threads))
        with as_data_error(self._path, "cannot be loaded", _ERRORS):
            self._session = self._open_session(math.ceil(threads / self.streams))
        self._input = _check_graph(self._session, bundle, self._path)

    def run(self, chips: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Turn scaled chips (batch, bands, height, width) into logits (batch, scores, height, width). Thread-safe."""
        with as_data_error(self._path, f"cannot run on chips of {chips.shape[2]} x {chips.shape[3]} pixels", _ERRORS):
            logits: npt.NDArray[np.float32] = self._session.run(None, {self._input: chips})[0]
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


def _cuda_works() -> bool:
    return _CUDA in onnxruntime.get_available_providers() and has_cuda()


def half_precision(path: Path) -> bytes:
    """Read a graph and turn it into fp16, chips and logits excepted. Raises `MissingExtraError` without onnx."""
    onnx = import_extra("onnx", "train", "fp16 on the engine onnx")
    float16 = import_extra("onnxruntime.transformers.float16", "train", "fp16 on the engine onnx")
    graph: bytes = float16.convert_float_to_float16(onnx.load(path), keep_io_types=True).SerializeToString()
    return graph


def _check_graph(session: onnxruntime.InferenceSession, bundle: ModelBundle, path: Path) -> str:
    takes, gives = session.get_inputs()[0], session.get_outputs()[0]
    check_channels(bundle, path, _channels(takes), _channels(gives))
    return str(takes.name)


def _channels(port: Any) -> int | None:
    # A free axis has a name instead of a number.
    return port.shape[1] if isinstance(port.shape[1], int) else None
