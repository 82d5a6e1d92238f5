"""Engines: programs that run a network. Each takes scaled chips and gives logits; nothing else knows them apart."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Literal, Protocol, get_args

import numpy as np
import numpy.typing as npt

from overland.bundle import ModelBundle
from overland.errors import MissingExtraError, OverlandError, UsageError, import_extra
from overland.inference.machine import has_cuda, keep_freed_memory

__all__ = ["ENGINES", "PRECISIONS", "Engine", "EngineName", "PrecisionName", "open_engine"]

logger = logging.getLogger(__name__)

EngineName = Literal["auto", "openvino", "onnx", "torch"]
PrecisionName = Literal["auto", "fp32", "fp16", "bf16", "int8"]
ENGINES: tuple[str, ...] = get_args(EngineName)
PRECISIONS: tuple[str, ...] = get_args(PrecisionName)


class Engine(Protocol):
    """A network that is ready to run."""

    @property
    def name(self) -> str:
        """One of `ENGINES`, never "auto"."""

    @property
    def precision(self) -> str:
        """One of `PRECISIONS`, never "auto"."""

    @property
    def device(self) -> str:
        """The device that it runs on: "cpu", "cuda" or "mps"."""

    @property
    def workers(self) -> int:
        """Number of calls of `run` that should go on at once, from as many threads, to use the whole machine."""

    def run(self, chips: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Run the network; several threads may call it at once.

        Args:
            chips: Scaled chips (batch, bands, height, width).

        Returns:
            Logits (batch, outputs, height, width).
        """


def open_engine(
    bundle: ModelBundle,
    name: str = "auto",
    *,
    precision: str = "auto",
    threads: int | None = None,
    workers: int | None = None,
    max_workers: int | None = None,
) -> Engine:
    """Make a bundle's network ready, and run a small chip of it once, before other threads may use it.

    Args:
        bundle: The model.
        name: "openvino" (extra speed), "onnx" (base install), "torch" (extra train), or "auto", the fastest that is
            here: on an NVIDIA GPU onnx or else torch, on the processor openvino or else onnx.
        precision: Kind of numbers; "auto" is fp32 on the processor and fp16 on a GPU.
        threads: Threads of all calls together; by default every processor that the process may use.
        workers: Calls that go on at once, each with its part of the threads; by default the engine's own choice.
        max_workers: Most calls at once on a processor, whose memory they share; no limit by default.

    Returns:
        The engine.

    Raises:
        UsageError: An engine or a precision is unknown or cannot be had here.
        MissingExtraError: The engine's extra is not installed.
        DataError: The network cannot be loaded, or does not do what its bundle says.
    """
    _check_choice("engine", name, ENGINES)
    _check_choice("precision", precision, PRECISIONS)
    for word, number in (("threads", threads), ("workers", workers), ("workers", max_workers)):
        if number is not None and number < 1:
            raise UsageError(f"{number} {word} cannot run a network; give 1 or more.")
    keep_freed_memory()

    def open_named(name: str) -> Engine:
        return _OPENERS[name](bundle, precision, threads, workers, max_workers)

    return _open_fastest(open_named) if name == "auto" else open_named(name)


def _open_fastest(open_named: Callable[[str], Engine]) -> Engine:
    if has_cuda():
        for name in ("onnx", "torch"):
            engine = _try(open_named, name)
            if engine is not None and engine.device == "cuda":
                return engine
    try:
        return open_named("openvino")
    except MissingExtraError:
        return open_named("onnx")
    except OverlandError as error:
        engine = _try(open_named, "onnx")
        if engine is None:
            raise
        logger.info("OpenVINO is left out (%s); ONNX Runtime takes over.", error)
        return engine


def _try(open_named: Callable[[str], Engine], name: str) -> Engine | None:
    try:
        return open_named(name)
    except OverlandError as error:
        logger.debug("Engine %s: %s", name, error)
        return None


def _check_choice(noun: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise UsageError(f"There is no {noun} {value!r}; choose one of {', '.join(choices)}.")


# Imported late: each engine costs a quarter of a second and more, and the base install has one of them.
def _open_openvino(
    bundle: ModelBundle, precision: str, threads: int | None, workers: int | None, max_workers: int | None
) -> Engine:
    from overland.inference.engines.openvino import OpenvinoEngine

    return OpenvinoEngine(bundle, precision, threads, workers, max_workers)


def _open_onnx(
    bundle: ModelBundle, precision: str, threads: int | None, workers: int | None, max_workers: int | None
) -> Engine:
    from overland.inference.engines.onnx import OnnxEngine

    return OnnxEngine(bundle, precision, threads, workers, max_workers)


def _open_torch(
    bundle: ModelBundle, precision: str, threads: int | None, workers: int | None, max_workers: int | None
) -> Engine:
    import_extra("torch", "train", "The engine torch")
    from overland.inference.engines.torch import TorchEngine

    return TorchEngine(bundle, precision, threads, workers, max_workers)


_Opener = Callable[[ModelBundle, str, int | None, int | None, int | None], Engine]
_OPENERS: dict[str, _Opener] = {
    "openvino": _open_openvino,
    "onnx": _open_onnx,
    "torch": _open_torch,
}
