"""APLS and TOPO of OpenStreetMap against SpaceNet's roads, in both published forms, on every pair of graphs.

    python runs/spacenet_graphs.py DATA OUTPUT

DATA holds spacenet-graphs/ with `*_spacenetroads_*.geojson` and `*_osm_*.geojson` of the same images. OUTPUT gets the
scores of each pair and figures.json. A score that does not exist (all of a tile in the margin) is left out of means.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

from overland.workflows.evaluate_roads import evaluate_roads
from provenance import provenance, write_figures

SCORES = {
    "apls_cosmiq": "score",
    "topo_cosmiq": "f1",
    "apls_sat2graph": "score",
    "topo_sat2graph": "f1",
}


def main() -> None:
    """Score every pair and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    truths = sorted((arguments.data / "spacenet-graphs").glob("*_spacenetroads_*.geojson"))
    if not truths:
        parser.error(f"{arguments.data} has no spacenet-graphs/*_spacenetroads_*.geojson")
    origin = provenance()
    pairs = {truth.stem.rpartition("_")[2]: _scores(truth, arguments.output) for truth in truths}
    means = {key: _mean([pair["osm"][key] for pair in pairs.values()]) for key in SCORES}
    write_figures(arguments.output / "figures.json", origin | {"osm_means": means, "pairs": pairs})


def _scores(truth: Path, output: Path) -> dict[str, dict[str, Any]]:
    """Scores of OpenStreetMap, and of the truth itself, which has to get 1."""
    proposals = {"osm": truth.with_name(truth.name.replace("spacenetroads", "osm")), "itself": truth}
    found = {}
    for name, proposal in proposals.items():
        folder = output / f"{truth.stem.rpartition('_')[2]}-{name}"
        evaluate_roads(truth, proposal, output=folder, overwrite=True)
        values = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        found[name] = {key: values[key][figure] for key, figure in SCORES.items()}
    return found


def _mean(values: list[float | None]) -> float:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known)


if __name__ == "__main__":
    main()
