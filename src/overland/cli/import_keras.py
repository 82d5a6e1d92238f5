"""overland import-keras."""

from __future__ import annotations

from typing import TYPE_CHECKING

from overland.cli.signature import command_from, names_from_text

if TYPE_CHECKING:
    from overland.workflows.import_keras import ImportKerasResult

__all__ = ["command", "show"]


def show(result: ImportKerasResult) -> str:
    """Return the imported network in words.

    Args:
        result: The network and the bundle.

    Returns:
        Size, classes, chips and folder, a line each.
    """
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


command = command_from(
    "overland.workflows.import_keras:import_keras",
    show=show,
    examples=(
        "overland import-keras road_unet.h5 roads --names road --threshold 0.4",
        "overland import-keras landcover.keras landcover \\",
        "      --names urban,agriculture,rangeland,forest,water,barren,unknown",
        "overland import-keras street.h5 street --normalize none --scene street1.png --scene street2.png",
    ),
    flags={"scenes": "--scene"},
    metavars={"source": "FILE", "output": "OUT", "names": "NAME,NAME,..."},
    callbacks={"names": names_from_text},
)
