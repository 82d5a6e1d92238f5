"""Scores as colours: heat maps and the bar that says what their colours mean."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt

from overland.report.display import Picture

__all__ = ["color_bar", "heat_picture"]

# Lightness grows with the score, so that the map can be read in grey as well.
_COLORS = "inferno"


def heat_picture(scores: npt.NDArray[Any], valid: npt.NDArray[np.bool_] | None = None) -> Picture:
    """Scores (height, width) of 0..1 as colours (height, width, 3), black at 0 to pale yellow at 1.

    Pixels that are not `valid` are light grey.
    """
    picture: Picture = matplotlib.colormaps[_COLORS](scores, bytes=True)[..., :3].copy()
    if valid is not None:
        picture[~valid] = (236, 236, 238)
    return picture


def color_bar(width: int, height: int) -> Picture:
    """The colours of `heat_picture` from 0 on the left to 1 on the right, (height, width, 3)."""
    return heat_picture(np.broadcast_to(np.linspace(0, 1, width), (height, width)))
