"""What the predictor reads from: an open scene, or one seen in other pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from overland.raster import Grid, Window

__all__ = ["Source"]


class Source(Protocol):
    """Pixels that are read window by window, in one thread at a time."""

    @property
    def grid(self) -> Grid:
        """Where they lie."""

    @property
    def block_shape(self) -> tuple[int, int]:
        """Rows and columns that are cheapest to read together."""

    def read(self, window: Window, bands: Sequence[int]) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
        """Pixels (bands, height, width) as stored, and which of them hold data (height, width)."""
