"""The array types of the metrics."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["Bools", "Confusion", "Floats", "Ids", "Ints", "Probabilities"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
"""A mask of one class (height, width)."""
Ids = npt.NDArray[np.integer]
"""Class ids (height, width)."""
Probabilities = npt.NDArray[np.floating]
"""Probabilities of class 1 (height, width), 0 to 1."""
Confusion = npt.NDArray[np.int64]
"""Numbers of pixels by true class (rows) and predicted class (columns)."""
