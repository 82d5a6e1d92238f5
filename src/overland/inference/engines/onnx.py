"""ONNX Runtime on the CPU: the engine of the base install."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
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
from overland.errors import DataError, ResourceError

__all__ = ["OnnxEngine"]

_ERRORS = (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NoSuchFile, NotImplemented, RuntimeException)
_ONLY_ERRORS = 3


class OnnxEngine:
    """Runs a bundle's `model.onnx`."""

    name = "onnx"

    def __init__(self, bundle: ModelBundle, threads: int | None = None) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or _cpu_count()
        options.log_severity_level = _ONLY_ERRORS
        self._path = bundle.graph_path
        with _as_data_error(self._path, "cannot be loaded"):
            self._session = onnxruntime.InferenceSession(self._path, options, providers=["CPUExecutionProvider"])
        self._input = _check_graph(self._session, bundle, self._path)

    def run(self, chips: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Turn scaled chips (batch, bands, height, width) into logits (batch, scores, height, width)."""
        with _as_data_error(self._path, f"cannot run on chips of {chips.shape[2]} x {chips.shape[3]} pixels"):
            logits: npt.NDArray[np.float32] = self._session.run(None, {self._input: chips})[0]
        return logits


def _check_graph(session: onnxruntime.InferenceSession, bundle: ModelBundle, path: Path) -> str:
    takes, gives = session.get_inputs()[0], session.get_outputs()[0]
    for word, found, expected in (
        ("takes", takes.shape[1], bundle.in_channels),
        ("gives", gives.shape[1], bundle.num_scores),
    ):
        # A free axis has a name instead of a number.
        if isinstance(found, int) and found != expected:
            raise DataError(f"{path} {word} {found} channels, the bundle says {expected}. Export the model again.")
    return str(takes.name)


@contextmanager
def _as_data_error(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except _ERRORS as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        if "alloc" in reason.lower():
            raise ResourceError(f"{path} {what}: out of memory ({reason}). Try a smaller --chip-size.") from error
        raise DataError(f"{path} {what} ({reason}). Export the model again, or use another --chip-size.") from error


def _cpu_count() -> int:
    # A container or a batch system often grants fewer than the machine has; ONNX Runtime would take all of them.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
