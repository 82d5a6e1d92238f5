"""The options that bound what strangers may ask, shared by the commands that serve."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import click

__all__ = ["LIMITS", "limit_options"]

_FACTORS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}


class _Amount(click.ParamType):  # type: ignore[type-arg] # generic in new versions of click only
    name = "amount"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """A whole number, also as 256M, 1.5G or 256MB."""
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMG]?)B?", str(value).strip().upper())
        if match is None:
            self.fail(f"{value!r} is not an amount such as 500000, 256M or 1.5G.", param, ctx)
        return round(float(match[1]) * _FACTORS[match[2]])


# Kind, default and help of each: the words and defaults of overland.web.limits.Limits; a test compares them.
LIMITS: dict[str, tuple[Any, str, str]] = {
    "max_bytes": (_Amount(), "256M", "Largest upload in bytes."),
    "max_pixels": (_Amount(), "100M", "Largest image, width times height."),
    "max_bands": (int, "16", "Most bands of an image."),
    "memory_mb": (int, "4096", "Memory of a worker process beyond its libraries (enforced on Linux)."),
    "timeout_s": (float, "600", "Longest work on one image."),
    "queue": (int, "32", "How many jobs may wait."),
    "workers": (int, "1", "How many images are mapped at once; each worker uses all processors."),
    "keep_s": (float, "3600", "How long a job that has ended is kept."),
    "sync_pixels": (_Amount(), "4.2M", "Largest image that is mapped while the client waits."),
    "wait_s": (float, "60", "Longest that a client waits."),
}


def limit_options(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the options of some limits to a command, all of them by default; each is an argument of its name."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in reversed(names or tuple(LIMITS)):
            kind, default, help_text = LIMITS[name]
            option = click.option(
                f"--{name.replace('_', '-')}", type=kind, default=default, show_default=True, help=help_text
            )
            function = option(function)
        return function

    return add
