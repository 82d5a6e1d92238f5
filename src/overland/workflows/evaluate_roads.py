"""Evaluate a road graph against a true one, both from files of lines: APLS and TOPO."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import numpy.typing as npt
import pyproj
import shapely

from overland.errors import DataError, UsageError
from overland.geo.projection import reprojected
from overland.metrics.graphs import apls_cosmiq, apls_sat2graph, graph_from_lines, topo_cosmiq, topo_sat2graph
from overland.output import check_folder, free_folder, write_folder
from overland.reporting.evaluation import write_metrics
from overland.vector import read_lines

__all__ = ["evaluate_roads"]

logger = logging.getLogger("overland")

_FORMS = ("cosmiq", "sat2graph", "both")
# Sat2Graph takes tiles under a hundredth of a degree for small ones, as those of SpaceNet are.
_SMALL_TILE_M = 1111.0
# UTM stretches areas by at most 0.2 %; Web Mercator by 22 % at 25 degrees.
_TRUE_SCALE = 0.01

Lines = npt.NDArray[np.object_]


def evaluate_roads(
    truth: str | Path,
    proposal: str | Path,
    *,
    form: str = "both",
    seed: int = 0,
    output: str | Path | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Score the roads of a vector file against those of another, and write the scores to a folder.

    `form` says whose definition of APLS and TOPO: cosmiq, sat2graph or both; the two do not compare. `seed` draws the
    nodes of graphs over 1,000 nodes. Lines count as connected where they share a vertex. Everything is measured in
    metres: in the CRS of the truth if that is one of metres, else in a local one around the truth; the proposal is
    reprojected. Sat2Graph's spacing, margin and reach are those for small tiles when the truth extends less than
    1,111 m. Files without a CRS are taken as they are, a unit for a metre.
    Returns for each form `apls_...` and `topo_...` with what the functions of `metrics.graphs` give. Raises
    `UsageError` for an unknown form or an output that exists, `DataError` for files that hold no lines or whose CRS are
    not known.
    """
    if form not in _FORMS:
        raise UsageError(f"There is no form {form!r} of the graph scores; choose one of {', '.join(_FORMS)}.")
    default = Path("evaluations") / f"{Path(proposal).stem}-{Path(truth).stem}"
    folder = free_folder(default) if output is None else check_folder(output, overwrite=overwrite)
    (true_lines, true_crs), (lines, crs) = read_lines(truth), read_lines(proposal)
    _check_crs(truth, true_crs, proposal, crs)
    metric = _metric_crs(true_lines if len(true_lines) else lines, true_crs if len(true_lines) else crs)
    true_lines, lines = _in_metres(true_lines, true_crs, metric), _in_metres(lines, crs, metric)
    _warn_if_apart(true_lines, lines)
    graphs = graph_from_lines(true_lines), graph_from_lines(lines)
    values = {
        "truth": str(truth),
        "proposal": str(proposal),
        "crs": metric.to_string() if metric else None,
        "form": form,
        "seed": seed,
        "truth_graph": _description(graphs[0]),
        "proposal_graph": _description(graphs[1]),
        **_scores(*graphs, form, seed),
        "output": str(folder),
    }
    with write_folder(folder) as part:
        write_metrics(part, values)
    return values


def _check_crs(truth: str | Path, true_crs: str | None, proposal: str | Path, crs: str | None) -> None:
    if (true_crs is None) != (crs is None):
        without, other, known = (truth, proposal, crs) if true_crs is None else (proposal, truth, true_crs)
        raise DataError(
            f"{without} has no CRS, {other} has {known}; they cannot be compared. Declare the CRS of the first, or "
            "drop the other's if both are in pixels."
        )
    if crs is None:
        logger.info("The files have no CRS: a unit of their coordinates is taken for a metre.")


def _metric_crs(lines: Lines, crs: str | None) -> pyproj.CRS | None:
    """The CRS itself when its metres are true around the lines, else one that is centred on them."""
    if crs is None or not len(lines):
        return None
    known = pyproj.CRS.from_user_input(crs)
    west, south, east, north = shapely.total_bounds(lines)
    if not (known.is_geographic or known.is_projected):
        return known
    to_degrees = pyproj.Transformer.from_crs(known, "EPSG:4326", always_xy=True)
    lon, lat = to_degrees.transform((west + east) / 2, (south + north) / 2)
    is_metric = known.is_projected and all(axis.unit_conversion_factor == 1 for axis in known.axis_info)
    if is_metric and abs(pyproj.Proj(known).get_factors(lon, lat).areal_scale - 1) < _TRUE_SCALE:
        return known
    return pyproj.CRS.from_dict({"proj": "aeqd", "lat_0": round(lat, 6), "lon_0": round(lon, 6), "datum": "WGS84"})


def _in_metres(lines: Lines, crs: str | None, metric: pyproj.CRS | None) -> Lines:
    return lines if metric is None else reprojected(lines, crs, metric.to_string())


def _warn_if_apart(truth: Lines, proposal: Lines) -> None:
    if len(truth) and len(proposal):
        boxes = [shapely.box(*shapely.total_bounds(lines)) for lines in (truth, proposal)]
        if not shapely.intersects(*boxes):
            logger.warning("Truth and proposal do not overlap, so nothing agrees. Do both declare the right CRS?")


def _scores(truth: nx.MultiGraph, proposal: nx.MultiGraph, form: str, seed: int) -> dict[str, Any]:
    scores: dict[str, Any] = {}
    if form != "sat2graph":
        scores["apls_cosmiq"] = apls_cosmiq(truth, proposal, seed=seed)
        scores["topo_cosmiq"] = topo_cosmiq(truth, proposal, seed=seed)
    if form != "cosmiq":
        is_small = _extent_m(truth) < _SMALL_TILE_M
        spacing_m, far_m, reach_m = (30, 30, 150) if is_small else (50, 100, 300)
        scores["sat2graph_tile"] = "small" if is_small else "large"
        scores["apls_sat2graph"] = apls_sat2graph(
            truth, proposal, spacing_m=spacing_m, min_path_m=far_m, margin_m=far_m
        )
        scores["topo_sat2graph"] = topo_sat2graph(truth, proposal, reach_m=reach_m)
    return scores


def _extent_m(graph: nx.MultiGraph) -> float:
    lines = [line for *_, line in graph.edges(data="geometry")]
    west, south, east, north = shapely.total_bounds(lines) if lines else (0, 0, 0, 0)
    return float(max(east - west, north - south))


def _description(graph: nx.MultiGraph) -> dict[str, Any]:
    length = sum(length for *_, length in graph.edges(data="length_m"))
    return {
        "length_m": float(length),
        "nodes": graph.number_of_nodes(),
        "edges": graph.number_of_edges(),
        "components": nx.number_connected_components(graph),
    }
