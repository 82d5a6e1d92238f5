"""A short form of `make fuzz`: some seconds of every reader that does not need torch."""

import json
import random

import fuzz
import numpy as np
import pytest

from models_made import conv_graph
from overland.datasets.coco import read_coco
from overland.errors import DataError
from overland.inference.engines.onnx_file import operators_of
from overland.legend import legend_from_dict


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return fuzz.build(tmp_path_factory.mktemp("fuzz") / "in")


@pytest.mark.parametrize(
    "reader", [reader for reader in fuzz.READERS if reader.needs == "overland"], ids=lambda r: r.name
)
def test_mutated_inputs_are_read_or_refused(reader, inputs, tmp_path):
    found = fuzz.fuzz(reader, inputs, tmp_path, seconds=1.5, seed=1)
    assert found["cases"]
    assert not found["wrong"]


def test_every_mutation_gives_another_file():
    data = b'{"a": [1, 2, 3], "b": "text"}'
    assert len({fuzz.mutated(data, random.Random(number)) for number in range(100)}) > 70


def test_the_fuzzer_sees_what_is_wrong(inputs, tmp_path):
    def read(path, inputs, work):
        raise ZeroDivisionError

    reader = fuzz.Reader("broken", ("points.csv",), read)
    assert "ZeroDivisionError" in fuzz.try_case(reader, 0, inputs, tmp_path, 0)


def test_an_endless_colour_is_no_legend():
    with pytest.raises(DataError, match="legend"):
        legend_from_dict({"names": ["a"], "colors": [[float("inf"), 0, 0]]})


@pytest.mark.parametrize("place", ["id", "width"])
def test_an_endless_number_is_no_coco(place, tmp_path):
    values = {
        "images": [{"id": 1, "file_name": "a.png", "width": 8, "height": 8}],
        "categories": [{"id": 1, "name": "b"}],
        "annotations": [],
    }
    values["categories" if place == "id" else "images"][0][place] = float("inf")
    (tmp_path / "coco.json").write_text(json.dumps(values))
    with pytest.raises(DataError, match="COCO"):
        read_coco(tmp_path / "coco.json")


def test_a_graph_that_is_cut_off_is_refused_though_parts_of_it_were_read(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(conv_graph(np.ones((1, 1, 1, 1)), np.zeros(1))[:-20])
    with pytest.raises(ValueError, match="ONNX"):
        operators_of(path)
