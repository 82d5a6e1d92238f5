import importlib.util
import re
from pathlib import Path

import click
import pytest

from overland.cli import overland

DOCS = Path(__file__).resolve().parents[2] / "docs"
spec = importlib.util.spec_from_file_location("insert_commands", DOCS / "insert_commands.py")
insert_commands = importlib.util.module_from_spec(spec)
spec.loader.exec_module(insert_commands)


@pytest.fixture(scope="module")
def documented():
    texts = [page.read_text(encoding="utf-8") for page in DOCS.rglob("*.md")]
    return {match["name"]: match[0] for text in texts for match in insert_commands.PLACE.finditer(text)}


@pytest.mark.parametrize(
    ("name", "command"),
    list(insert_commands.all_commands(overland).items()),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_option_stands_on_a_page_with_its_meaning(name, command, documented):
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"overland {name} {parameter.opts[-1]} does not say what it means"
            assert not parameter.hidden
            for spelling in (*parameter.opts, *parameter.secondary_opts):
                assert re.search(rf"(?<![\w-]){re.escape(spelling)}(?![\w-])", documented[name]), spelling


def test_a_page_that_is_out_of_step_is_mended():
    stale = "before\n<!-- insert: data check -->\nwhat stood here\n<!-- end -->\nafter\n"
    fresh = insert_commands.inserted(stale)
    assert "Usage: overland data check" in fresh
    assert "what stood here" not in fresh
    assert fresh.startswith("before\n")
    assert fresh.endswith("<!-- end -->\nafter\n")
    assert insert_commands.inserted(fresh) == fresh
