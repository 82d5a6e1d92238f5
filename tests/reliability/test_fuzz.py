"""A short form of `make fuzz`: some seconds of every reader that does not need torch."""

import random

import fuzz
import pytest


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
    assert len({fuzz.mutated(data, random.Random(number)) for number in range(100)}) > 90


def test_the_fuzzer_sees_what_is_wrong(inputs, tmp_path):
    def read(path, inputs, work):
        raise ZeroDivisionError

    reader = fuzz.Reader("broken", ("points.csv",), read)
    assert "ZeroDivisionError" in fuzz.try_case(reader, 0, inputs, tmp_path, 0)
