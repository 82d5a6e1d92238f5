"""`overland postprocess`: a mask cleaned up."""

from __future__ import annotations

from typing import Any

import click

from overland.cli.console import Outcome, common_options, examples

__all__ = ["command"]

_SIZE = click.IntRange(min=0)


@click.command(
    "postprocess",
    epilog=examples(
        "overland postprocess mask.tif clean.tif --majority 3 --min-area-m2 500",
        "overland postprocess roads.tif clean.tif --close 5 --remove-objects 300 --fill-holes 300",
        "overland postprocess mask.png clean.png --open 3 --background 'class 0'",
        "overland postprocess landcover.tif clean.tif --preset morphological",
    ),
)
@click.argument("mask", type=click.Path())
@click.argument("output", type=click.Path())
@click.option(
    "--preset",
    type=click.Choice(["morphological", "median"]),
    help="morphological: --remove-objects 64 --fill-holes 64; median: --median 3.",
)
@click.option("--median", type=_SIZE, metavar="N", help="Each pixel takes the class that fills over half of N x N.")
@click.option("--majority", type=_SIZE, metavar="N", help="Each pixel takes the most frequent class of N x N.")
@click.option("--open", type=_SIZE, metavar="N", help="Specks, spurs and lines thinner than N pixels go.")
@click.option("--close", type=_SIZE, metavar="N", help="Gaps and cracks in a class narrower than N pixels close.")
@click.option("--remove-objects", type=_SIZE, metavar="N", help="Regions under N pixels go, but not of the background.")
@click.option("--fill-holes", type=_SIZE, metavar="N", help="Regions under N pixels inside one other class are filled.")
@click.option("--sieve", type=_SIZE, metavar="N", help="All regions under N pixels go: the minimum mapping unit.")
@click.option("--min-area-m2", type=click.FloatRange(min=0), metavar="X", help="The same in square metres.")
@click.option(
    "--background", metavar="NAME", help="Class that is no object.  [default: the one that the legend calls so]"
)
@click.option("--overwrite", is_flag=True, help="Replace OUTPUT if it exists.")
@common_options
def command(**options: Any) -> Outcome:
    """Clean up the class map MASK and write it as OUTPUT (.tif or .png).

    Steps are done in the order below, whatever the order given. What goes takes a class that is there around it: the
    nearest (--open), the one with the longest border (regions). No class is special but the background, and pixels
    without data stay as they are. Windows have an odd width; regions are connected along pixel edges.
    """
    from overland.workflows.postprocess import postprocess

    values = postprocess(**options)
    return Outcome(values, _text(values))


def _text(values: dict[str, Any]) -> str:
    lines = [f"{_percent(values['changed_share'])} of {values['pixels'] / 1e6:.4g} Mpx changed"]
    if values["regions"]:
        lines[0] += f", {values['regions']['before']:,} regions became {values['regions']['after']:,}"
    for name, found in values["classes"].items():
        became = ", ".join(f"{_percent(share)} to {other}" for other, share in found["became"].items())
        lines.append(
            f"  {name}: {found['pixels_before']:,} px, now {found['pixels_after']:,}{became and f' ({became})'}"
        )
    return "\n".join([*lines, f"Wrote {values['output']}"])


def _percent(share: float | None) -> str:
    if share is None:
        return "nothing"
    return "<0.01%" if 0 < share < 0.0001 else f"{share:.2%}"
