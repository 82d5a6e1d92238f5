"""`overland serve`: models over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from overland.cli.console import AMOUNTS
from overland.cli.signature import command_from

if TYPE_CHECKING:
    from overland.web.verbs import ServeResult

__all__ = ["command", "show"]


def show(result: ServeResult) -> str:
    """Return the address at which the service was.

    Args:
        result: The result of the verb.

    Returns:
        Lines for a terminal.
    """
    return f"{result.url} has stopped."


command = command_from(
    "overland.web.verbs:serve",
    show=show,
    settings="overland.web.jobs.limits:Limits",
    types=AMOUNTS,
    flags={"allowed_hosts": "--allowed-host"},
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
            "wait_s",
        )
    },
    examples=(
        "overland serve --models roads",
        "overland serve --models runs/roads/weights/best",
        "overland serve --models models/ --jobs-folder jobs/ --api-key-file key.txt --port 8080",
        "curl -H 'Accept: image/png' --data-binary @scene.tif localhost:8000/v1/segment -o mask.png",
    ),
)
