"""`overland assess`: areas and accuracies of a map from a labelled sample, with their uncertainty."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from overland.cli.signature import command_from

if TYPE_CHECKING:
    from overland.workflows.assess import (
        AssessEstimateResult,
        AssessPlanResult,
        AssessSampleResult,
        ClassEstimate,
        PlannedClass,
    )

__all__ = ["command", "show_estimate", "show_plan", "show_sample"]


@click.group()
def command() -> None:
    """Estimate areas and accuracies of a map from a labelled sample, with confidence intervals.

    Plan how many points are needed, draw them, label them in QGIS, estimate. Olofsson et al. 2014.
    """


def _accuracies(context: click.Context, parameter: click.Parameter, options: Sequence[str]) -> dict[str, float] | None:
    """Read accuracies NAME=0.7; one without a name is for all other classes."""
    found = {}
    for option in options:
        name, _, number = option.rpartition("=")
        try:
            found[name] = float(number)
        except ValueError:
            raise click.UsageError(f"--expected-accuracy {option}: write NAME=0.8, or 0.8 for all classes.") from None
    return found or None


def show_plan(result: AssessPlanResult) -> str:
    """Return the points of a planned sample.

    Args:
        result: The result of the verb.

    Returns:
        Lines for a terminal.
    """
    width = _name_width(result.classes)
    ways = list(result.expected_se)
    lines = [f"{result.points} points for a standard error of {result.target_se:.4f} of the overall accuracy", ""]
    lines.append(f"  {'':{width}}{'area':>9}{'expected':>10}" + "".join(f"{how:>14}" for how in ways))
    for row in result.classes:
        cells = "".join(f"{getattr(row, how):>14}" for how in ways)
        lines.append(f"  {row.name:{width}}{row.area_fraction:>9.2%}{row.expected_accuracy:>10.2f}{cells}")
    errors = "".join(f"{error:>14.4f}" for error in result.expected_se.values())
    return "\n".join([*lines, f"  {'standard error':{width + 19}}{errors}"])


def show_sample(result: AssessSampleResult) -> str:
    """Return the points of each stratum.

    Args:
        result: The result of the verb.

    Returns:
        Lines for a terminal.
    """
    lines = [f"{row.name}: {row.points} points ({row.area_fraction:.2%} of the area)" for row in result.classes]
    return "\n".join([*lines, f"Wrote {result.points} points to {result.output}"])


def show_estimate(result: AssessEstimateResult) -> str:
    """Return areas and accuracies with their intervals.

    Args:
        result: The result of the verb.

    Returns:
        Lines for a terminal.
    """
    width = _name_width(result.classes)
    lines = [
        f"Overall accuracy {_with_margin(result.overall, result.overall_margin)} "
        f"({result.confidence:.0%} interval, {result.points} points)",
        "",
        f"  {'':{width}}{'mapped ha':>15}{'estimated ha':>30}{'users':>18}{'producers':>18}",
    ]
    for row in result.classes:
        mapped = "-" if row.mapped_ha is None else f"{row.mapped_ha:,.1f}"
        area = f"{row.area_fraction:.2%} ± {row.area_fraction_margin:.2%} of all"
        if row.area_ha is not None:
            area = f"{row.area_ha:,.1f} ± {row.area_margin_ha or 0:,.1f}"
        lines.append(
            f"  {row.name:{width}}{mapped:>15}{area:>30}"
            f"{_with_margin(row.users, row.users_margin):>18}"
            f"{_with_margin(row.producers, row.producers_margin):>18}"
        )
    return "\n".join([*lines, *([f"Wrote {result.output}"] if result.output else [])])


def _with_margin(value: float, margin: float) -> str:
    return f"{value:.3f} ± {margin:.3f}" if math.isfinite(value) else "-"


def _name_width(rows: Sequence[PlannedClass | ClassEstimate]) -> int:
    return max(12, *(len(row.name) for row in rows))


command.add_command(
    command_from(
        "overland.workflows.assess:assess_plan",
        name="plan",
        show=show_plan,
        flags={"expected_accuracies": "--expected-accuracy"},
        metavars={"expected_accuracies": "NAME=FRACTION"},
        callbacks={"expected_accuracies": _accuracies},
        skip=("expected_accuracy",),
        examples=(
            "overland assess plan mask.tif --target-se 0.01 --expected-accuracy road=0.7",
            "overland assess plan mask.tif --target-ci 0.02 --expected-accuracy 0.9",
        ),
    )
)
command.add_command(
    command_from(
        "overland.workflows.assess:assess_sample",
        name="sample",
        show=show_sample,
        examples=(
            "overland assess sample mask.tif points.gpkg --points 640",
            "overland assess sample mask.tif points.csv --points 300 --allocation equal --seed 7",
        ),
    )
)
command.add_command(
    command_from(
        "overland.workflows.assess:assess_estimate",
        name="estimate",
        show=show_estimate,
        examples=(
            "overland assess estimate points.gpkg mask.tif",
            "overland assess estimate points.csv mask.tif -o estimates.csv --confidence 0.9",
            "overland assess estimate points.gpkg new-map.tif --strata old-map.tif",
        ),
    )
)
