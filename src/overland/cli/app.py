"""`overland app`: the web app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from overland.cli.console import AMOUNTS
from overland.cli.signature import command_from

if TYPE_CHECKING:
    from overland.web.verbs import AppResult

__all__ = ["command", "show"]


def show(result: AppResult) -> str:
    """Return the address at which the app was.

    Args:
        result: The result of the verb.

    Returns:
        Lines for a terminal.
    """
    return f"The app on {result.host}, port {result.port}, has stopped."


command = command_from(
    "overland.web.verbs:app",
    show=show,
    settings="overland.web.jobs.limits:Limits",
    types=AMOUNTS,
    groups={
        "Limits": (
            "max_bytes",
            "max_pixels",
            "max_bands",
            "memory_mb",
            "timeout_s",
            "queue",
            "per_client",
            "workers",
            "large_workers",
            "keep_s",
            "sync_pixels",
        )
    },
    examples=(
        "overland app",
        "overland app --models runs/segment/roads/weights/best",
        "overland app --models models --port 8080",
        "overland app --models models --host 0.0.0.0 --max-bytes 64M --max-pixels 25M --tiles ''",
    ),
)
