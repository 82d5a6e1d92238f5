"""overland import-keras."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from overland.cli.signature import command_from

if TYPE_CHECKING:
    from overland.workflows.import_keras import ImportKerasResult

__all__ = ["command"]


def _show(result: ImportKerasResult) -> str:
    bands = f"{result.bands} band{'s' if result.bands > 1 else ''}"
    sides = f"Chips of {result.chip_size} pixels, sides in multiples of {result.size_divisor}"
    return "\n".join(
        [
            f"Keras {result.keras_version}, {result.parameters:,} parameters, {bands}",
            f"Classes: {', '.join(result.classes)}",
            f"{sides}, halo {result.halo}",
            f"Written: {result.output}",
        ]
    )


def _names(ctx: click.Context, param: click.Parameter, texts: tuple[str, ...]) -> list[str] | None:
    """Take the names apart at their commas; the option may also be repeated."""
    return [name.strip() for text in texts for name in text.split(",")] or None


command = command_from(
    "overland.workflows.import_keras:import_keras",
    show=_show,
    examples=(
        "overland import-keras road_unet.h5 roads --names road --threshold 0.4",
        "overland import-keras landcover.keras landcover \\",
        "      --names urban,agriculture,rangeland,forest,water,barren,unknown",
        "overland import-keras street.h5 street --normalize none --scene street1.png --scene street2.png",
    ),
    flags={"scenes": "--scene"},
    metavars={"source": "FILE", "output": "OUT", "names": "NAME,NAME,..."},
    callbacks={"names": _names},
)
