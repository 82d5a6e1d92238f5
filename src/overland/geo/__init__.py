"""Geometry without files: windows and grids of pixels, CRSs, and sizes on the ground (the one home of these)."""

from overland.geo.grid import Grid, PixelSize, Window, iter_row_windows, iter_windows

__all__ = ["Grid", "PixelSize", "Window", "iter_row_windows", "iter_windows"]
