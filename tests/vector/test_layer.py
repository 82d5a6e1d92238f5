from __future__ import annotations

import numpy as np
import pytest
import shapely

from overland.errors import DataError
from overland.vector import Layer


def test_a_layer_counts_its_features():
    assert len(Layer("edges", "LineString", np.array([shapely.LineString([(0, 0), (1, 1)])]))) == 1


def test_fields_of_another_length_are_refused():
    with pytest.raises(DataError, match="1 geometries"):
        Layer("points", "Point", np.array([shapely.Point(0, 0)]), {"a": np.array([1, 2])})
