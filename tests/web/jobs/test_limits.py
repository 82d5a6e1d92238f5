from __future__ import annotations

from dataclasses import fields

import click
import pytest

from overland.cli.console import LIMITS
from overland.errors import UsageError
from overland.web.jobs.limits import Limits


def test_a_limit_is_more_than_nothing() -> None:
    with pytest.raises(UsageError, match="max_bytes must be more than 0"):
        Limits(max_bytes=0)


def test_options_have_the_words_and_defaults_of_the_limits() -> None:
    assert list(LIMITS) == [item.name for item in fields(Limits)]
    for item in fields(Limits):
        kind, default, _ = LIMITS[item.name]
        kind = kind if isinstance(kind, click.ParamType) else click.types.convert_type(kind)
        assert kind.convert(default, None, None) == item.default


def test_amounts_are_read() -> None:
    kind = LIMITS["max_bytes"][0]
    assert isinstance(kind, click.ParamType)
    assert [kind.convert(text, None, None) for text in ("7", "256M", "1.5GB", "10k")] == [
        7, 256_000_000, 1_500_000_000, 10_000
    ]  # fmt: skip
    with pytest.raises(click.BadParameter, match="not an amount"):
        kind.convert("lots", None, None)
