"""What the road graph gains over plain thinning: APLS (CosmiQ form) on predicted roads of real validation images.

    python runs/apls_roads.py DATASET MODEL OUTPUT.json [--split val]

For each image with road in its truth: the truth graph is the full extraction of the truth mask; "thinning" is the
skeleton of the predicted mask as it is; "pipeline" is the full extraction from the predicted scores, as
`overland vectorize --kind roads --scores` runs it. Images without a path in the truth have no APLS and are left out.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import shapely
from skimage.morphology import skeletonize

from overland.bundle import load_bundle
from overland.datasets import read_dataset, read_sample
from overland.inference import open_engine, predict_array
from overland.inference.probabilities import mask_from_probabilities
from overland.metrics.graphs import apls_cosmiq, graph_from_lines
from overland.vector import road_graph_from_mask
from provenance import provenance, write_figures


def main() -> None:
    """Score both on every image and keep the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--split", default="val")
    arguments = parser.parse_args()
    origin = provenance()
    rows = [row for row in _scored(arguments.dataset, arguments.model, arguments.split) if row is not None]
    means = {key: float(np.mean([row[key] for row in rows])) for key in rows[0] if key != "image"}
    gain = 100 * (means["apls_pipeline"] - means["apls_thinning"])
    figures = {"model": str(arguments.model), "images": len(rows), **means, "gain_points": gain, "rows": rows}
    write_figures(arguments.output, origin | figures)


def _scored(data: Path, model: Path, split: str) -> list[dict[str, Any] | None]:
    bundle, dataset = load_bundle(model), read_dataset(data)
    engine = open_engine(bundle)
    rows = []
    for sample in dataset.splits[split]:
        image, target, valid = read_sample(dataset, sample, bundle.bands)
        scores = predict_array(bundle, engine, image, valid)
        mask = mask_from_probabilities(bundle, scores) == 1
        rows.append(_row(sample.key, target == 1, mask, scores[0]))
    return rows


def _row(
    name: str, truth_mask: np.ndarray[Any, Any], mask: np.ndarray[Any, Any], scores: np.ndarray[Any, Any]
) -> dict[str, Any] | None:
    truth = road_graph_from_mask(truth_mask)
    thinned, full = _thinned(mask), road_graph_from_mask(mask, scores=scores)
    apls = {kind: apls_cosmiq(truth, graph)["score"] for kind, graph in (("thinning", thinned), ("pipeline", full))}
    if not truth.number_of_edges() or not all(np.isfinite(list(apls.values()))):
        return None
    return {
        "image": name,
        **{f"apls_{kind}": score for kind, score in apls.items()},
        "components_truth": nx.number_connected_components(truth),
        "components_thinning": nx.number_connected_components(thinned),
        "components_pipeline": nx.number_connected_components(full),
    }


def _thinned(mask: np.ndarray[Any, Any]) -> nx.MultiGraph:
    """The skeleton as a graph, nothing else done to it; a diagonal step counts only where no straight one does."""
    skeleton = np.pad(skeletonize(mask), 1)
    segments = [
        ((col, row), (col + right, row + down))
        for row, col in np.argwhere(skeleton)
        for down, right in ((0, 1), (1, 0), (1, -1), (1, 1))
        if skeleton[row + down, col + right]
        and not (down and right and (skeleton[row + 1, col] or skeleton[row, col + right]))
    ]
    lines = shapely.linestrings(np.array(segments, dtype=float).reshape(-1, 2, 2) - 0.5)
    return graph_from_lines(list(lines))


if __name__ == "__main__":
    main()
