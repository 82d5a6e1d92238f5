"""The command line: one file per command; each parses, calls a workflow and prints."""

from __future__ import annotations

import importlib

import click

from overland import __version__

__all__ = ["COMMANDS", "main", "overland"]

# In the order in which they are used. A command's module imports click alone at its top, so that --help is fast.
COMMANDS = (
    "demo",
    "data",
    "rasterize",
    "train",
    "evaluate",
    "predict",
    "postprocess",
    "vectorize",
    "areas",
    "assess",
    "report",
    "doctor",
)


class _OrderedGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name in COMMANDS if name in self.commands]


@click.group(
    cls=_OrderedGroup,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": "OVERLAND",
        "max_content_width": 100,
    },
    epilog="Start with `overland demo`. Each command has examples in its --help.",
)
@click.version_option(__version__, prog_name="overland")
def overland() -> None:
    """Satellite imagery in, maps out."""


for _name in COMMANDS:
    overland.add_command(importlib.import_module(f"overland.cli.{_name}").command, _name)


def main() -> None:
    """Run the command line."""
    overland(prog_name="overland")
