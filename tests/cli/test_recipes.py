import importlib.util
import json

import pytest
from click.testing import CliRunner

from overland.cli import overland
from overland.training.settings import recipe_names

NEEDS_TORCH = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs the extra train")


def _run(*arguments):
    return CliRunner().invoke(overland, ["recipes", *arguments])


def test_without_a_command_all_are_listed():
    done = _run()
    assert done.exit_code == 0
    assert all(name in done.stdout for name in recipe_names())
    assert "7,771,873" in done.stdout
    assert _run("list").stdout == done.stdout


def test_the_list_as_json():
    assert [recipe["name"] for recipe in json.loads(_run("--json").stdout)["recipes"]] == recipe_names()


@NEEDS_TORCH
def test_one_recipe():
    done = _run("show", "road-skeyenet-published")
    assert done.exit_code == 0
    for words in (
        "road-skeyenet-published: roads",
        "Source: ",
        "1,946,993",
        "1,944,049 trainable",
        "min_foreground: 0.01",
    ):
        assert words in done.stdout
    shown = json.loads(_run("show", "road-skeyenet-published", "--json").stdout)
    assert shown["settings"]["batch"] == 16


def test_an_unknown_recipe():
    done = _run("show", "nothing")
    assert done.exit_code == 2
    assert "There is no recipe 'nothing'" in done.stderr


def test_help_shows_both_commands():
    done = _run("--help")
    assert done.exit_code == 0
    assert "show" in done.stdout
    assert "list" in done.stdout
