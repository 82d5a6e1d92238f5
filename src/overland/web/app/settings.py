"""What the app was started with, and how it reaches the page's script."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from overland.web.limits import Limits

__all__ = ["OSM_TILES", "AppSettings", "settings_from_arguments", "settings_to_arguments"]

OSM_TILES = "https://tile.openstreetmap.org/{z}/{x}/{y}.png"


@dataclass(frozen=True)
class AppSettings:
    """The folders with models (bundles, or folders of them), the bounds of an upload, and the tiles of the base map.

    `tiles` is the address of z/x/y tiles that a visitor may switch on; empty for no base map at all.
    """

    models: tuple[Path, ...] = ()
    limits: Limits = field(default_factory=Limits)
    tiles: str = OSM_TILES


def settings_to_arguments(settings: AppSettings) -> list[str]:
    """The arguments of the page's script."""
    values = {"models": [str(path) for path in settings.models], "limits": asdict(settings.limits)}
    return [json.dumps({**values, "tiles": settings.tiles})]


def settings_from_arguments(arguments: Sequence[str]) -> AppSettings:
    """Read what `settings_to_arguments` gave."""
    values = json.loads(arguments[0])
    return AppSettings(tuple(map(Path, values["models"])), Limits(**values["limits"]), values["tiles"])
