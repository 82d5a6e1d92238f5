"""Which part of a scene is predicted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from overland.raster import Window

__all__ = ["Region", "Target"]


class Region(Protocol):
    """The part of a scene that is to be predicted."""

    @property
    def window(self) -> Window:
        """The rectangle that is written, in pixels of the scene; it lies within the scene."""

    def inside(self, window: Window) -> npt.NDArray[np.bool_] | None:
        """Which pixels of a window of the scene are wanted; None means all."""


@dataclass(frozen=True)
class Target:
    """What is to be written of a scene: the rows of a window from `first_row` of it on."""

    window: Window
    first_row: int = 0

    @property
    def left(self) -> Window:
        """The rows that are still to be done."""
        window, done = self.window, min(self.first_row, self.window.height)
        return Window(window.row_off + done, window.col_off, window.height - done, window.width)
