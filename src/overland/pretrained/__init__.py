"""Pretrained models: bundles that come with Overland, each in a folder of this package by its name."""

from __future__ import annotations

from pathlib import Path

__all__ = ["pretrained_models"]


def pretrained_models() -> dict[str, Path]:
    """Return the bundle folder of each pretrained model, by name."""
    folder = Path(__file__).parent
    return {path.parent.name: path.parent for path in sorted(folder.glob("*/overland.json"))}
