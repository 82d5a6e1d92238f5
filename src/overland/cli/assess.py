"""`overland assess`: areas and accuracies of a map from a labelled sample, with their uncertainty."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import click

from overland.cli.console import Outcome, common_options, examples

__all__ = ["command"]

_ALLOCATIONS = ("proportional", "equal", "olofsson")
_MIN_POINTS = click.option(
    "--min-points", default=50, show_default=True, help="Points of a rare class with the allocation olofsson."
)


@click.group()
def command() -> None:
    """Estimate areas and accuracies of a map from a labelled sample, with confidence intervals.

    Plan how many points are needed, draw them, label them in QGIS, estimate. Olofsson et al. 2014.
    """


@command.command(
    epilog=examples(
        "overland assess plan mask.tif --target-se 0.01 --expected-accuracy road=0.7",
        "overland assess plan mask.tif --target-ci 0.02 --expected-accuracy 0.9",
    )
)
@click.argument("mask", type=click.Path())
@click.option("--target-se", type=float, help="Standard error wanted of the overall accuracy.  [default: 0.01]")
@click.option("--target-ci", type=float, help="Instead: half the width of its 95 % interval.")
@click.option(
    "--expected-accuracy",
    "accuracies",
    multiple=True,
    metavar="NAME=SHARE",
    help="User's accuracy expected of a class (repeat it); a number alone is for the other classes.  [default: 0.8]",
)
@_MIN_POINTS
@common_options
def plan(
    mask: str, target_se: float | None, target_ci: float | None, accuracies: tuple[str, ...], min_points: int
) -> Outcome:
    """Say how many points the class map MASK needs, and how to share them among its classes."""
    from overland.metrics.areas import z_value
    from overland.workflows.assess import assess_plan

    if target_se is not None and target_ci is not None:
        raise click.UsageError("Give --target-se or --target-ci, not both.")
    target = target_ci / z_value(0.95) if target_ci is not None else 0.01 if target_se is None else target_se
    named = _accuracies(accuracies)
    values = assess_plan(
        mask,
        target_se=target,
        expected_accuracy=named.pop("", 0.8),
        expected_accuracies=named,
        min_points=min_points,
    )
    return Outcome(values, _plan_text(values))


@command.command(
    epilog=examples(
        "overland assess sample mask.tif points.gpkg --n 640",
        "overland assess sample mask.tif points.csv --n 300 --allocation equal --seed 7",
    )
)
@click.argument("mask", type=click.Path())
@click.argument("output", type=click.Path())
@click.option("--n", "points", default=500, show_default=True, help="Number of points.")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Seed of the draw; the same seed gives the same points.",
)
@click.option(
    "--allocation",
    type=click.Choice(_ALLOCATIONS),
    default="olofsson",
    show_default=True,
    help="Points by area, the same for each class, or by area with --min-points for rare classes.",
)
@_MIN_POINTS
@click.option("--strata", type=click.Path(), help="Another class map, whose classes are the strata.")
@click.option("--overwrite", is_flag=True, help="Replace OUTPUT if it exists.")
@common_options
def sample(mask: str, output: str, **options: Any) -> Outcome:
    """Draw pixels of the class map MASK at random, class by class, and write them to OUTPUT to be labelled.

    OUTPUT is a .gpkg, to be opened in QGIS, or a .csv. Write the true class of every point into its field `reference`,
    by name or id, looking at imagery that is better than what the map was made from.
    """
    from overland.workflows.assess import assess_sample

    values = assess_sample(mask, output, **options)
    lines = [f"{row['name']}: {row['points']} points ({row['weight']:.2%} of the area)" for row in values["classes"]]
    return Outcome(values, "\n".join([*lines, f"Wrote {values['points']} points to {values['output']}"]))


@command.command(
    epilog=examples(
        "overland assess estimate points.gpkg mask.tif",
        "overland assess estimate points.csv mask.tif -o estimates.csv --confidence 0.9",
        "overland assess estimate points.gpkg new-map.tif --strata old-map.tif",
    )
)
@click.argument("sample_file", metavar="SAMPLE", type=click.Path())
@click.argument("mask", type=click.Path())
@click.option("--reference-field", default="reference", show_default=True, help="Field with the true class.")
@click.option("--strata", type=click.Path(), help="The class map by which the sample was drawn, if not by MASK.")
@click.option("--strata-field", help="Field with a point's class in --strata, instead of reading it there.")
@click.option("--confidence", default=0.95, show_default=True, help="Of the intervals.")
@click.option("-o", "--output", type=click.Path(), help="Table to write, a .csv file.")
@click.option("--overwrite", is_flag=True, help="Replace the output if it exists.")
@common_options
def estimate(sample_file: str, mask: str, **options: Any) -> Outcome:
    """Estimate areas and accuracies of the class map MASK from the labelled points of SAMPLE."""
    from overland.workflows.assess import assess_estimate

    values = assess_estimate(sample_file, mask, **options)
    return Outcome(values, _estimate_text(values))


def _accuracies(options: Sequence[str]) -> dict[str, float]:
    found = {}
    for option in options:
        name, _, number = option.rpartition("=")
        try:
            found[name] = float(number)
        except ValueError:
            raise click.UsageError(f"--expected-accuracy {option}: write NAME=0.8, or 0.8 for all classes.") from None
    return found


def _plan_text(values: Mapping[str, Any]) -> str:
    width = _name_width(values["classes"])
    head = "".join(f"{how:>14}" for how in _ALLOCATIONS)
    lines = [f"{values['points']} points for a standard error of {values['target_se']:.4f} of the overall accuracy", ""]
    lines.append(f"  {'':{width}}{'area':>9}{'expected':>10}{head}")
    for row in values["classes"]:
        cells = "".join(f"{row[how]:>14}" for how in _ALLOCATIONS)
        lines.append(f"  {row['name']:{width}}{row['weight']:>9.2%}{row['expected_accuracy']:>10.2f}{cells}")
    errors = "".join(f"{values['expected_se'][how]:>14.4f}" for how in _ALLOCATIONS)
    return "\n".join([*lines, f"  {'standard error':{width + 19}}{errors}"])


def _estimate_text(values: Mapping[str, Any]) -> str:
    width = _name_width(values["classes"])
    lines = [
        f"Overall accuracy {_with_margin(values['overall'], values['overall_margin'])} "
        f"({values['confidence']:.0%} interval, {values['points']} points)",
        "",
        f"  {'':{width}}{'mapped ha':>15}{'estimated ha':>30}{'users':>18}{'producers':>18}",
    ]
    for row in values["classes"]:
        mapped = "-" if row["mapped_ha"] is None else f"{row['mapped_ha']:,.1f}"
        lines.append(
            f"  {row['name']:{width}}{mapped:>15}{_area(row):>30}"
            f"{_with_margin(row['users'], row['users_margin']):>18}"
            f"{_with_margin(row['producers'], row['producers_margin']):>18}"
        )
    return "\n".join([*lines, *([f"Wrote {values['output']}"] if values["output"] else [])])


def _area(row: Mapping[str, Any]) -> str:
    if row["area_ha"] is None:
        return f"{row['area_share']:.2%} ± {row['area_share_margin']:.2%} of all"
    return f"{row['area_ha']:,.1f} ± {row['area_margin_ha']:,.1f}"


def _with_margin(value: float, margin: float) -> str:
    return f"{value:.3f} ± {margin:.3f}" if math.isfinite(value) else "-"


def _name_width(rows: Sequence[Mapping[str, Any]]) -> int:
    return max(12, *(len(row["name"]) for row in rows))
