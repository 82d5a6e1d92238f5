"""Like for like: recipes on one dataset with the same minutes of compute, scored alike on its validation images."""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import overland as ol
from provenance import provenance, write_figures

__all__ = ["compare", "parser_of", "started", "write_comparison"]


def parser_of(description: str, *, minutes: float) -> argparse.ArgumentParser:
    """Arguments of every comparison: DATA, OUTPUT and the minutes of each training."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the datasets")
    parser.add_argument("output", type=Path, help="folder of the runs and of figures.json")
    parser.add_argument("--minutes", type=float, default=minutes, help=f"minutes of each training [{minutes:g}]")
    parser.add_argument("--recipes", nargs="+", help="only these; the others are left as they are in OUTPUT")
    parser.add_argument("--seed", type=int, default=0)
    return parser


def started(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The arguments, with where the figures come from noted before the work starts."""
    arguments = parser.parse_args()
    arguments.origin = provenance()
    arguments.output.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(format="%(asctime)s %(message)s")
    logging.getLogger("overland").setLevel(logging.INFO)
    return arguments


def compare(
    data: Path, recipes: Sequence[str], arguments: argparse.Namespace, *, patches: bool = False, **settings: Any
) -> dict[str, dict[str, Any]]:
    """Train each recipe for the same minutes from the same seed; the scores of each, by its name."""
    chosen = [recipe for recipe in recipes if not arguments.recipes or recipe in arguments.recipes]
    return {recipe: _trained(data, recipe, arguments, patches, settings) for recipe in chosen}


def write_comparison(arguments: argparse.Namespace, figures: dict[str, Any]) -> None:
    """Keep the figures beside the runs, with how they were made."""
    how = {"minutes": arguments.minutes, "seed": arguments.seed, "threads": os.environ.get("OMP_NUM_THREADS", "all")}
    name = "-".join(["figures", *(arguments.recipes or ())])
    write_figures(arguments.output / f"{name}.json", arguments.origin | how | figures)


def _trained(
    data: Path, recipe: str, arguments: argparse.Namespace, patches: bool, settings: dict[str, Any]
) -> dict[str, Any]:
    run = ol.train(
        data,
        recipe=recipe,
        minutes=arguments.minutes,
        # The minutes end the run, not the epochs or patience that suit a longer one.
        epochs=10_000,
        patience=0,
        seed=arguments.seed,
        project=str(arguments.output),
        name=f"{data.name}-{recipe}",
        **settings,
    )
    found = {"epochs": _epochs(Path(run.run)), **_scores(run.val)}
    if run.threshold is not None:
        scored = arguments.output / f"{data.name}-{recipe}-scored"
        patch_size = 16 if patches else None
        at_half = ol.evaluate(run.model, data, threshold=0.5, patches=patch_size, output=scored, overwrite=True)
        found["at_half"] = _scores(at_half)
        if patches:
            tuned = ol.evaluate(run.model, data, patches=patch_size, output=scored, overwrite=True)
            found["patches"] = {"at_half": at_half["patches"], "tuned": tuned["patches"]}
    return found


def _epochs(run: Path) -> int:
    # The header and one row for each epoch, the last of which the end of the minutes may have cut short.
    return len((run / "results.csv").read_text(encoding="utf-8").splitlines()) - 1


def _scores(values: dict[str, Any]) -> dict[str, Any]:
    pooled = values["pooled"]
    return {
        "threshold": values["threshold"],
        "headline": values["headline"],
        "miou": pooled["miou"],
        "pixel_accuracy": pooled["pixel_accuracy"],
        "iou": {name: scores["iou"] for name, scores in pooled["classes"].items()},
    }
