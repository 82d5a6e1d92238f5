"""The command line: one file per command; each parses, calls a workflow and prints."""

from __future__ import annotations

import importlib

import click

from overland.version import __version__

__all__ = ["COMMANDS", "main", "overland"]

# Each command and its line in the list, in the order in which they are used. A command's module imports click alone at
# its top, so that --help is fast.
COMMANDS = {
    "demo": "Run the whole job on a made landscape, data to report.",
    "data": "Get a public dataset; look at one before you train.",
    "rasterize": "Burn vector features into a class map.",
    "recipes": "List the recipes for training, or show one.",
    "train": "Train a model on labelled imagery.",
    "import-keras": "Turn a network that Keras saved into a model.",
    "evaluate": "Score a model, a class map or a road graph.",
    "models": "List the models that come with Overland.",
    "predict": "Map scenes: the class of each pixel.",
    "postprocess": "Clean up a class map.",
    "vectorize": "Turn a class map into polygons or a road graph.",
    "areas": "Measure the ground that each class covers.",
    "assess": "Estimate areas and accuracies, with confidence.",
    "report": "Write one HTML page on a run or a model.",
    "export": "Write a model for QGIS, a catalogue or the Hub.",
    "app": "See maps in the browser: drop an image, take the files home.",
    "serve": "Map images over HTTP: a REST service.",
    "sagemaker": "Train and serve in Amazon SageMaker's containers.",
    "doctor": "Print versions, GDAL, devices, engines and disk.",
}


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


for _name, _line in COMMANDS.items():
    _command = importlib.import_module(f"overland.cli.{_name.replace('-', '_')}").command
    _command.short_help = _line
    overland.add_command(_command, _name)


def main() -> None:
    """Run the command line."""
    overland(prog_name="overland")
