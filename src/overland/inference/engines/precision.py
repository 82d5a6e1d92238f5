"""Which precision a device can compute in."""

from __future__ import annotations

import logging

from overland.errors import UsageError
from overland.inference.machine import cpu_features

__all__ = ["choose_precision"]

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
