import logging

import pytest

from overland.errors import UsageError
from overland.inference.engines import graph as precision
from overland.inference.engines.graph import choose_precision


def choose(asked, device="cpu", offered=("fp32", "bf16")):
    return choose_precision(asked, "made", device, offered)


@pytest.fixture
def processor(monkeypatch):
    def with_features(*names):
        monkeypatch.setattr(precision, "cpu_features", lambda: frozenset(names))

    return with_features


def test_auto_is_the_first_that_is_offered():
    assert choose("auto") == "fp32"
    assert choose("auto", "cuda", ("fp16", "fp32")) == "fp16"


def test_what_is_not_offered_is_refused_with_what_is():
    with pytest.raises(UsageError, match="does not compute in int8 on the device cuda.*auto or fp16"):
        choose("int8", "cuda", ("fp16",))


def test_emulated_bf16_is_refused(processor):
    processor("avx2", "avx512f")
    with pytest.raises(UsageError, match="7 to 10 times slower"):
        choose("bf16")


def test_bf16_without_matrix_units_is_warned_of(processor, caplog):
    processor("avx512_bf16")
    with caplog.at_level(logging.WARNING, logger="overland"):
        assert choose("bf16") == "bf16"
    assert "slower than fp32" in caplog.text


def test_bf16_with_matrix_units_is_taken_silently(processor, caplog):
    processor("avx512_bf16", "amx_bf16")
    assert choose("bf16") == "bf16"
    assert not caplog.text
