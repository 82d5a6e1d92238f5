"""What the engines that run a bundle's ONNX graph share: which file, does it fit the bundle, and errors in one form."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from overland.bundle import ModelBundle
from overland.errors import DataError, ResourceError, UsageError
from overland.inference.machine import cpu_features

__all__ = [
    "as_data_error",
    "check_channels",
    "choose_precision",
    "graph_file",
]


def graph_file(bundle: ModelBundle, precision: str) -> Path:
    """The ONNX file to run: the quantised one for "int8", else the graph itself.

    Raises `UsageError` for a bundle that has not been quantised.
    """
    if precision != "int8":
        return bundle.graph_path
    if bundle.int8_path is None:
        raise UsageError(
            f"{bundle.path} has no int8 graph. Make one from scenes like yours: "
            f"overland export {bundle.path} OUT --precision int8 --calibrate SCENE"
        )
    return bundle.int8_path


def check_channels(bundle: ModelBundle, path: Path, takes: int | None, gives: int | None) -> None:
    """Raise `DataError` when a graph takes or gives another number of channels than its bundle says; None is free."""
    for word, found, expected in (("takes", takes, bundle.in_channels), ("gives", gives, bundle.num_scores)):
        if found is not None and found != expected:
            raise DataError(f"{path} {word} {found} channels, the bundle says {expected}. Export the model again.")


@contextmanager
def as_data_error(path: Path, what: str, errors: tuple[type[Exception], ...]) -> Iterator[None]:
    """Turn a runtime's own errors into `ResourceError` when memory is used up, else into `DataError`."""
    try:
        yield
    except MemoryError as error:
        raise ResourceError(f"{path} {what}: out of memory. Try a smaller --chip-size.") from error
    except errors as error:
        reason = _first_line(error)
        if "alloc" in reason.lower():
            raise ResourceError(f"{path} {what}: out of memory ({reason}). Try a smaller --chip-size.") from error
        raise DataError(f"{path} {what} ({reason}). Export the model again, or use another --chip-size.") from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")


# Which precision a device can compute in.

logger = logging.getLogger("overland")


def choose_precision(asked: str, engine: str, device: str, offered: tuple[str, ...]) -> str:
    """The precision to compute in: the one asked for, or for "auto" the first that the engine offers on the device.

    Raises `UsageError` for one that the engine does not offer there, and for bf16 on a processor that would have
    to emulate it.
    """
    if asked == "auto":
        return offered[0]
    if asked not in offered:
        reason = " fp16 is for GPUs." if asked == "fp16" and device == "cpu" else ""
        raise UsageError(
            f"The engine {engine} does not compute in {asked} on the device {device}.{reason} "
            f"Choose {' or '.join(('auto', *offered))}, or another engine."
        )
    if asked == "bf16" and device == "cpu":
        _check_bf16(cpu_features())
    return asked


def _check_bf16(features: frozenset[str]) -> None:
    if features.isdisjoint({"amx_bf16", "avx512_bf16", "bf16"}):
        raise UsageError(
            "bf16 was asked for, but this processor has neither amx_bf16 nor avx512_bf16 and would emulate it, "
            "7 to 10 times slower than fp32. Choose fp32 or int8."
        )
    if "avx512_bf16" in features and "amx_bf16" not in features:
        logger.warning("bf16 is slower than fp32 on a processor with avx512_bf16 but no amx_bf16, as this one.")
