"""A synthetic landscape that looks like aerial imagery, with its exact class mask and road graph."""

from overland.synthetic.landscape import LANDSCAPE_LEGEND, SMALLEST_SIDE, Landscape, Road, synthetic_landscape

__all__ = ["LANDSCAPE_LEGEND", "SMALLEST_SIDE", "Landscape", "Road", "synthetic_landscape"]
