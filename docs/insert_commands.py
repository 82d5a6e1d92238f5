"""Insert what the code says of itself into README and docs, between `<!-- insert: NAME -->` and `<!-- end -->`.

NAME is a command ("train", "data check"), "overland" for the list of commands, "settings" for those of a training run,
"benchmarks" for the figures in benchmarks/results/*.json, "house" for those of the source (benchmarks/house.json),
"chaos" or "fuzz" for what tests/reliability/chaos.py and fuzz.py found (benchmarks/chaos.json, fuzz.json).
With --check nothing is written and a page that is out of step is an error.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

import click

from overland.cli import overland
from overland.cli.declared import read_dataclass, read_function

ROOT = Path(__file__).resolve().parent.parent

sys.path.append(str(ROOT / "benchmarks"))
from house_figures import house_table  # noqa: E402
from results import RESULTS, section  # noqa: E402 - a benchmark and the page show the same are made alike

PLACE = re.compile(r"(<!-- insert: (?P<name>[a-z -]+) -->\n).*?(<!-- end -->)", re.DOTALL)
HOUSE = ROOT / "benchmarks" / "house.json"


def inserted(text: str) -> str:
    """Return the page with every place filled from the code."""
    return PLACE.sub(lambda match: f"{match[1]}{_content(match['name'])}{match[3]}", text)


def documented(text: str) -> set[str]:
    """Return the commands that a page has a place for."""
    return {match["name"] for match in PLACE.finditer(text)}


def _content(name: str) -> str:
    if name == "settings":
        fields = read_dataclass("overland.training.settings:TrainSettings").parameters.values()
        # What a setting means stands in the docstring of the verb, of which it is a parameter.
        meanings = read_function("overland.workflows.train:train").parameters
        known = [item for item in fields if item.name in meanings]
        rows = [f"| `{item.name}` | {_default(item.default)} | {meanings[item.name].help} |" for item in known]
        return "\n".join(["", "| setting | default | meaning |", "|---|---|---|", *rows, "", ""])
    if name == "benchmarks":
        found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))]
        return "\n".join(["", "## Results", "", *map(section, found), ""]) if found else ""
    if name == "house":
        return f"\n{house_table(json.loads(HOUSE.read_text(encoding='utf-8')))}\n\n"
    if name in ("chaos", "fuzz"):
        return _trials(json.loads((ROOT / "benchmarks" / f"{name}.json").read_text(encoding="utf-8")))
    words = [] if name == "overland" else name.split()
    return f"\n```text\n{_help_of(words)}\n```\n\n"


def _trials(kept: dict[str, Any]) -> str:
    heads = list(next(iter(kept["rows"].values())))
    rows = [f"| {name} | {' | '.join(map(str, row.values()))} |" for name, row in kept["rows"].items()]
    table = ["", f"| | {' | '.join(heads)} |", "|---|" + "---|" * len(heads), *rows]
    return "\n".join([*table, "", f"`{kept['command']}`, {kept['commit']}, {kept['date']}.", "", ""])


def _default(value: object) -> str:
    return "" if value is None else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _help_of(words: list[str]) -> str:
    command: click.Command = overland
    context = click.Context(command, info_name="overland", terminal_width=100, max_content_width=100)
    for word in words:
        assert isinstance(command, click.Group)
        found = command.get_command(context, word)
        assert found is not None, f"there is no command {' '.join(words)}"
        command = found
        context = click.Context(command, info_name=word, parent=context, terminal_width=100, max_content_width=100)
    return command.get_help(context)


def all_commands(group: click.Group, path: tuple[str, ...] = ()) -> dict[str, click.Command]:
    """Return every command of a group that is no group itself, by its words."""
    context = click.Context(group)
    found: dict[str, click.Command] = {}
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            found |= all_commands(command, (*path, name))
        else:
            found[" ".join((*path, name))] = command
    return found


def main() -> int:
    """Fill or check every page; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    pages = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").rglob("*.md"))]
    texts = {page: page.read_text(encoding="utf-8") for page in pages}
    stale = [page for page, text in texts.items() if inserted(text) != text]
    missing = set(all_commands(overland)) - set().union(*map(documented, texts.values()))
    if missing:
        print(f"Commands without a place in the docs: {', '.join(sorted(missing))}", file=sys.stderr)
    if check:
        for page in stale:
            print(f"{page.relative_to(ROOT)} is out of step with the code; run `make docs`.", file=sys.stderr)
        return 1 if stale or missing else 0
    for page in stale:
        page.write_text(inserted(texts[page]), encoding="utf-8")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
