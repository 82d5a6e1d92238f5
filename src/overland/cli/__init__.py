"""The command line: one file for each command; most are made from the verb's own signature (`cli/signature.py`)."""

from __future__ import annotations

import importlib
import logging
import sys

import click

from overland.cli.interrupt import end_process, prompt_end
from overland.version import __version__

__all__ = ["COMMANDS", "main", "overland"]

# Each command and its line in the list, in the order in which they are used.
COMMANDS = {
    "demo": "Run the whole chain on a synthetic landscape, data to report.",
    "data": "Get a public dataset, check it, prepare it for training.",
    "rasterize": "Burn vector features into a class map.",
    "recipes": "List the recipes for training, or show one.",
    "train": "Train a model on labelled imagery.",
    "import-keras": "Turn a network that Keras saved into a model.",
    "evaluate": "Score a model on labelled images.",
    "evaluate-map": "Score a class map against labels.",
    "evaluate-roads": "Score a road graph against the true one: APLS and TOPO.",
    "models": "List the pretrained models that come with Overland.",
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


# They end in their own time: training saves what it has, servers let their clients finish.
_GRACEFUL = ("app", "demo", "sagemaker", "serve", "train")


class _LazyGroup(click.Group):
    """Commands in the order of `COMMANDS`, each imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the names of the commands.

        Args:
            ctx: The group's context.

        Returns:
            Names in the order of `COMMANDS`.
        """
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command.

        Args:
            ctx: The group's context.
            cmd_name: Name of the command.

        Returns:
            The command; None where there is none of that name.
        """
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"overland.cli.{cmd_name.replace('-', '_')}").command
        command.name = cmd_name
        command.short_help = COMMANDS[cmd_name]
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands.

        Args:
            ctx: The group's context.
            formatter: click's formatter, which the help is written to.
        """
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=_LazyGroup,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": "OVERLAND",
        "max_content_width": 100,
    },
    epilog="Start with `overland demo`. Each command has examples in its --help.",
)
@click.version_option(__version__, prog_name="overland")
@click.pass_context
def overland(context: click.Context) -> None:
    """Satellite imagery in, maps out."""
    if context.invoked_subcommand not in _GRACEFUL:
        context.with_resource(prompt_end())


def main() -> None:
    """Run the command line."""
    # rasterio cannot tell of messages of GDAL that are no text: the error that follows says what is wrong.
    sys.unraisablehook = lambda fault: logging.getLogger("overland.cli").debug("%s", fault.exc_value)
    try:
        overland(prog_name="overland")
    except SystemExit as end:
        end_process(end.code if isinstance(end.code, int) else int(end.code is not None))
