from __future__ import annotations

import inspect
from dataclasses import fields

import click
import pytest

from overland.cli.app import command as app_command
from overland.cli.console import AMOUNTS
from overland.cli.serve import command as serve_command
from overland.errors import UsageError
from overland.web.jobs.limits import Limits
from overland.web.verbs import app, serve

NAMES = [item.name for item in fields(Limits)]


def test_a_limit_is_more_than_nothing() -> None:
    with pytest.raises(UsageError, match="max_bytes must be more than 0"):
        Limits(max_bytes=0)
    with pytest.raises(UsageError, match="keep_s must be more than 0"):
        Limits(keep_s=float("nan"))


def test_the_verbs_take_every_limit() -> None:
    assert set(NAMES) <= set(inspect.signature(serve).parameters)
    # The app's pages do not wait in a request.
    assert {*NAMES} - {"wait_s"} <= set(inspect.signature(app).parameters)


@pytest.mark.parametrize("command", [serve_command, app_command])
def test_options_say_the_defaults_of_the_limits(command: click.Command) -> None:
    options = {str(option.name): option for option in command.params if isinstance(option, click.Option)}
    for item in fields(Limits):
        if item.name not in options:
            continue
        shown = str(options[item.name].help).partition("[default: ")[2].partition("]")[0]
        assert options[item.name].type.convert(shown, None, None) == item.default, item.name


def test_amounts_are_read() -> None:
    kind = AMOUNTS["max_bytes"]
    assert [kind.convert(text, None, None) for text in ("7", "256M", "1.5GB", "10k")] == [
        7, 256_000_000, 1_500_000_000, 10_000
    ]  # fmt: skip
    with pytest.raises(click.BadParameter, match="not an amount"):
        kind.convert("lots", None, None)
