"""The models in the box: bundles that come with Overland, each in a folder of this package by its name."""

from __future__ import annotations

from pathlib import Path

__all__ = ["pretrained_models"]

_FOLDER = Path(__file__).parent


def pretrained_models() -> dict[str, Path]:
    """The bundle folder of each model in the box, by name."""
    return {path.parent.name: path.parent for path in sorted(_FOLDER.glob("*/overland.json"))}
