from __future__ import annotations

import numpy as np
import pytest
import shapely

from overland.errors import DataError, UsageError
from overland.vector import Layer
from overland.workflows.rasterize import layer_classes


def layer(**fields):
    count = len(next(iter(fields.values()))) if fields else 2
    return Layer("land", "Point", [shapely.Point(0, 0)] * count, {k: np.array(v) for k, v in fields.items()})


def texts(*values):
    return layer(use=np.array(values, dtype=object))


def test_without_a_field_all_is_one_class():
    ids, legend = layer_classes(layer())
    assert ids.tolist() == [1, 1]
    assert legend.names == ("background", "land")
    assert layer_classes(layer(), None, ["road"])[1].names == ("background", "road")


def test_several_classes_need_a_field():
    with pytest.raises(UsageError, match="--field"):
        layer_classes(layer(), None, ["a", "b"])


def test_named_classes_have_ids_in_their_order_and_others_are_left_out():
    ids, legend = layer_classes(texts("water", "forest", "moor", None), "use", ["forest", "water"])
    assert ids.tolist() == [2, 1, -1, -1]
    assert legend.names == ("background", "forest", "water")


def test_a_background_among_the_classes_is_id_0():
    ids, legend = layer_classes(texts("other", "forest"), "use", ["other", "forest"])
    assert ids.tolist() == [0, 1]
    assert legend.background == 0


def test_without_names_the_alphabet_gives_the_order():
    ids, legend = layer_classes(texts("water", "forest", "water"), "use")
    assert ids.tolist() == [2, 1, 2]
    assert legend.names == ("background", "forest", "water")


@pytest.mark.parametrize("numbers", [[3, 1, 0], [3.0, 1.0, 0.0]])
def test_whole_numbers_stay_as_they_are(numbers):
    ids, legend = layer_classes(layer(code=numbers), "code", None)
    assert ids.tolist() == [3, 1, 0]
    assert legend.names == ("background", "class 1", "class 2", "class 3")


def test_a_missing_number_is_left_out():
    assert layer_classes(layer(code=[2.0, np.nan]), "code", None)[0].tolist() == [2, -1]


def test_large_codes_are_listed():
    codes = layer(code=[1100, 2100, 3100])
    with pytest.raises(DataError, match="1100 to 3100"):
        layer_classes(codes, "code", None)
    ids, legend = layer_classes(codes, "code", ["2100", "1100"])
    assert ids.tolist() == [2, 1, -1]
    assert legend.names == ("background", "2100", "1100")


@pytest.mark.parametrize(
    ("field", "classes", "message"),
    [("usage", None, "it has use"), ("use", ["snow"], "found forest, water")],
)
def test_what_is_not_there_is_named(field, classes, message):
    with pytest.raises(DataError, match=message):
        layer_classes(texts("water", "forest"), field, classes)


def test_an_empty_field_is_refused():
    with pytest.raises(DataError, match="holds nothing"):
        layer_classes(texts(None, ""), "use")


def test_too_many_values_are_refused():
    with pytest.raises(DataError, match="300 values"):
        layer_classes(texts(*(f"v{i}" for i in range(300))), "use")
