"""The ONNX file of a bundle: chosen by precision, checked against the bundle, its errors in one form.

A model may come from anywhere, so its graph is looked at before it is run: control flow is refused (a loop of 2^62
turns is a few bytes), and one small chip is run under a time limit, which shows the number of outputs and the stride,
and is the first use of the engine, in one thread, before others start (see `warm_up`).
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from overland.bundle import ModelBundle
from overland.errors import DataError, ResourceError, UsageError
from overland.inference.engines.onnx_file import operators_of
from overland.inference.machine import cpu_features
from overland.inference.plan import round_up

__all__ = ["as_data_error", "check_operators", "check_ports", "choose_precision", "graph_file", "warm_up"]

logger = logging.getLogger(__name__)

# A network for maps has no use for them; each can run for ever.
_CONTROL_FLOW = frozenset({"Loop", "Scan", "SequenceMap"})
# Height and width of the chip that is run first. They differ, so that a turned output is noticed.
_PROBE_SIDES = (64, 96)
_PROBE_LIMIT_S = 60.0

_Array = npt.NDArray[np.float32]


def graph_file(bundle: ModelBundle, precision: str) -> Path:
    """Find the ONNX file to run.

    Args:
        bundle: The model.
        precision: Kind of numbers.

    Returns:
        The quantised file for "int8", else the graph itself.

    Raises:
        UsageError: The bundle has not been quantised.
    """
    if precision != "int8":
        return bundle.graph_path
    if bundle.int8_path is None:
        raise UsageError(
            f"{bundle.path} has no int8 graph. Make one from scenes like yours: "
            f"overland export {bundle.path} OUT --precision int8 --calibrate SCENE"
        )
    return bundle.int8_path


def check_operators(path: Path) -> None:
    """Refuse a graph with operators that a network for maps has no use for.

    Args:
        path: The ONNX file.

    Raises:
        DataError: It has a loop, or is no ONNX file.
    """
    try:
        operators = operators_of(path)
    except (ValueError, OSError) as error:
        raise DataError(f"{path} cannot be loaded ({error}). Export the model again.") from error
    loops = sorted({name for _, name in operators} & _CONTROL_FLOW)
    if loops:
        raise DataError(
            f"{path} cannot be loaded: its graph has the operator {', '.join(loops)}, which may run for ever. "
            "Export the model again without loops."
        )


def check_ports(bundle: ModelBundle, path: Path, takes: list[list[int | None]], gives: list[list[int | None]]) -> None:
    """Compare the inputs and outputs of a graph with its bundle.

    Args:
        bundle: The model.
        path: The ONNX file.
        takes: Shape of each input; None for a free axis.
        gives: Shape of each output.

    Raises:
        DataError: They are not one chip and one array of logits, of the bundle's numbers of channels.
    """
    if len(takes) != 1 or len(gives) != 1 or len(takes[0]) != 4 or len(gives[0]) != 4:
        raise DataError(
            f"{path} takes {len(takes)} arrays and gives {len(gives)}; a network here takes one chip (batch, bands, "
            "height, width) and gives logits for each of its pixels. Export the model again."
        )
    for word, found, expected in (
        ("takes", takes[0][1], bundle.in_channels),
        ("gives", gives[0][1], bundle.num_outputs),
    ):
        if found is not None and found != expected:
            raise DataError(f"{path} {word} {found} channels, the bundle says {expected}. Export the model again.")


def warm_up(
    bundle: ModelBundle,
    path: Path,
    run: Callable[[_Array], _Array],
    *,
    cancel: Callable[[], None] = lambda: None,
    limit_s: float | None = None,
) -> None:
    """Run one small chip, before any other thread uses the engine, and compare its output with the bundle.

    Native libraries set themselves up in their first use. Where two threads meet there, each may hold what the other
    waits for: OpenVINO's first tensor takes a guard of C++ and the interpreter's lock in either order. So the thread
    that opens an engine waits here until its first run is over.

    Args:
        bundle: The model.
        path: The file that is run, for messages.
        run: Turns scaled chips (1, bands, height, width) into logits (1, outputs, height, width).
        cancel: Asks the engine to stop.
        limit_s: Seconds that the run may take; by default 60, or what the environment variable
            `OVERLAND_PROBE_SECONDS` says.

    Raises:
        DataError: The run takes longer, or gives another shape than the bundle says.
    """
    limit_s = limit_s or float(os.environ.get("OVERLAND_PROBE_SECONDS") or _PROBE_LIMIT_S)
    height, width = (round_up(side, bundle.size_divisor) for side in _PROBE_SIDES)
    chip = np.zeros((1, bundle.in_channels, height, width), np.float32)
    found: list[_Array | BaseException] = []

    def probe() -> None:
        try:
            found.append(run(chip))
        except BaseException as error:  # noqa: BLE001 - it is raised below
            found.append(error)

    # In a thread of its own, because a native call cannot be broken off; the opening thread waits for it.
    thread = threading.Thread(target=probe, name="overland-probe", daemon=True)
    thread.start()
    thread.join(limit_s)
    if thread.is_alive():
        cancel()
        thread.join(2.0)
        raise DataError(
            f"{path} did not finish a chip of {height} x {width} pixels within {limit_s:.0f} seconds, so it is not "
            "run. Export the model again."
        )
    logits = found[0]
    if isinstance(logits, BaseException):
        raise logits
    expected = (1, bundle.num_outputs, height, width)
    if logits.shape != expected:
        raise DataError(
            f"{path} turns a chip of {height} x {width} pixels into an array of {_listed(logits.shape)}; the bundle "
            f"says {_listed(expected)}. Export the model again with logits for every pixel."
        )


@contextmanager
def as_data_error(path: Path, doing: str, errors: tuple[type[Exception], ...]) -> Iterator[None]:
    """Turn a runtime's own errors into `ResourceError` when memory is used up, else into `DataError`.

    Args:
        path: The file that is run.
        doing: The rest of the sentence that it begins, such as "cannot be loaded".
        errors: The runtime's errors.
    """
    try:
        yield
    except MemoryError as error:
        raise ResourceError(f"{path} {doing}: out of memory. Try a smaller --chip-size.") from error
    except errors as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        reason = lines[0].rstrip(".")
        if "alloc" in reason.lower():
            raise ResourceError(f"{path} {doing}: out of memory ({reason}). Try a smaller --chip-size.") from error
        raise DataError(f"{path} {doing} ({reason}). Export the model again, or use another --chip-size.") from error


def choose_precision(asked: str, engine: str, device: str, offered: tuple[str, ...]) -> str:
    """Choose the precision to compute in.

    Args:
        asked: The precision that was asked for; "auto" takes the first that is offered.
        engine: Name of the engine.
        device: Where it runs.
        offered: What the engine offers there.

    Returns:
        The precision.

    Raises:
        UsageError: The engine does not offer it there, or a processor would have to emulate bf16.
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
        features = cpu_features()
        if features.isdisjoint({"amx_bf16", "avx512_bf16", "bf16"}):
            raise UsageError(
                "bf16 was asked for, but this processor has neither amx_bf16 nor avx512_bf16 and would emulate it, "
                "7 to 10 times slower than fp32. Choose fp32 or int8."
            )
        if "avx512_bf16" in features and "amx_bf16" not in features:
            logger.warning("bf16 is slower than fp32 on a processor with avx512_bf16 but no amx_bf16, as this one.")
    return asked


def _listed(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
