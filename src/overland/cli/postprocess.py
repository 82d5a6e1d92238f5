"""`overland postprocess`: a class map cleaned up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from overland.cli.signature import command_from

if TYPE_CHECKING:
    from overland.workflows.postprocess import PostprocessResult

__all__ = ["command", "show"]


def show(result: PostprocessResult) -> str:
    """Return the changes in words.

    Args:
        result: The changes.

    Returns:
        A line of the map, and one of each class.
    """
    lines = [f"{_percent(result.changed_fraction)} of {result.pixels / 1e6:.4g} Mpx changed"]
    if result.regions:
        lines[0] += f", {result.regions.before:,} regions became {result.regions.after:,}"
    for name, change in result.classes.items():
        became = ", ".join(f"{_percent(fraction)} to {other}" for other, fraction in change.became.items())
        lines.append(f"  {name}: {change.pixels_before:,} px, now {change.pixels_after:,}{became and f' ({became})'}")
    return "\n".join([*lines, f"Wrote {result.output}"])


def _percent(fraction: float | None) -> str:
    if fraction is None:
        return "nothing"
    return "<0.01%" if 0 < fraction < 0.0001 else f"{fraction:.2%}"


command = command_from(
    "overland.workflows.postprocess:postprocess",
    show=show,
    metavars={
        **dict.fromkeys(("median", "majority", "open", "close", "remove_objects", "fill_holes", "sieve"), "N"),
        "min_area_m2": "X",
        "background": "NAME",
    },
    examples=(
        "overland postprocess mask.tif clean.tif --majority 3 --min-area-m2 500",
        "overland postprocess roads.tif clean.tif --close 5 --remove-objects 300 --fill-holes 300",
        "overland postprocess mask.png clean.png --open 3 --background 'class 0'",
        "overland postprocess landcover.tif clean.tif --preset morphological",
    ),
)
