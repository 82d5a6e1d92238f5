"""Evaluate a road graph against the true one, both from files of lines: APLS and TOPO."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import networkx as nx
import numpy as np
import pyproj
import shapely

from overland.errors import DataError, UsageError
from overland.geo.crs import ground_of
from overland.geo.measures import reprojected
from overland.metrics.graphs import (
    Apls,
    TopoCosmiq,
    TopoSat2graph,
    apls_cosmiq,
    apls_sat2graph,
    graph_from_lines,
    topo_cosmiq,
    topo_sat2graph,
)
from overland.output import check_folder, free_folder, write_folder
from overland.reporting.evaluation import write_metrics
from overland.result import Result
from overland.vector import read_lines
from overland.vector.layer import Geometries

__all__ = ["EvaluateRoadsResult", "RoadGraphSize", "evaluate_roads"]

logger = logging.getLogger(__name__)

_VARIANTS = ("both", "cosmiq", "sat2graph")
# Sat2Graph takes tiles under a hundredth of a degree for small ones, as those of SpaceNet are.
_SMALL_TILE_M = 1111.0
_EARTH_RADIUS_M = 6_378_137.0
# No road is straight for so long.
_LONGEST_STEP_M = 500_000.0


@dataclass(frozen=True)
class RoadGraphSize:
    """The size of a road graph.

    Attributes:
        length_m: Length of all roads, in metres.
        nodes: Number of junctions and ends.
        edges: Number of roads between them.
        components: Number of connected pieces.
    """

    length_m: float
    nodes: int
    edges: int
    components: int


@dataclass(frozen=True)
class EvaluateRoadsResult(Result):
    """Scores of a road graph. Fields of a variant that was not asked for are None.

    Attributes:
        truth: The file of the true roads.
        proposal: The file of the roads that were evaluated.
        output: The folder of the scores.
        crs: The CRS in which both were measured; None for files without a CRS.
        variant: The variants of APLS and TOPO that were asked for.
        seed: The seed of the draws.
        truth_graph: The size of the true road graph.
        proposal_graph: The size of the other.
        apls_cosmiq: APLS in the variant of CosmiQ Works (SpaceNet).
        topo_cosmiq: TOPO in the variant of CosmiQ Works.
        sat2graph_tile: "small" or "large": the distances of Sat2Graph that were taken.
        apls_sat2graph: APLS in the variant of Sat2Graph.
        topo_sat2graph: TOPO in the variant of Sat2Graph.
    """

    truth: Path
    proposal: Path
    output: Path
    crs: str | None
    variant: str
    seed: int
    truth_graph: RoadGraphSize
    proposal_graph: RoadGraphSize
    apls_cosmiq: Apls | None = None
    topo_cosmiq: TopoCosmiq | None = None
    sat2graph_tile: str | None = None
    apls_sat2graph: Apls | None = None
    topo_sat2graph: TopoSat2graph | None = None


def evaluate_roads(
    truth: str | Path,
    proposal: str | Path,
    *,
    variant: Literal["both", "cosmiq", "sat2graph"] = "both",
    seed: int = 0,
    output: str | Path | None = None,
    overwrite: bool = False,
) -> EvaluateRoadsResult:
    """Score the roads of PROPOSAL against those of TRUTH: APLS and TOPO, each in its two published variants.

    Lines count as connected where they share a vertex. Everything is measured in metres: in the CRS of the truth if
    its metres are true there, else in a local one around the truth; the proposal is reprojected. Files without a CRS
    are taken as they are, a unit for a metre.

    Args:
        truth: A vector file of the true roads.
        proposal: A vector file of the roads to be evaluated, as vectorize --kind roads writes it.
        variant: The definitions of APLS and TOPO, of CosmiQ (SpaceNet), of Sat2Graph, or both; the two do not
            compare. Sat2Graph's distances are those for small tiles when the truth extends less than 1,111 m.
        seed: Seed of the draw of nodes in graphs that have over 1,000.
        output: Folder for the scores.  [default: evaluations/...]
        overwrite: Replace the output if it exists.

    Returns:
        The scores and the sizes of both graphs.

    Raises:
        UsageError: An unknown variant, or an output that exists.
        DataError: A file holds no lines, or only one of both has a CRS.
    """
    if variant not in _VARIANTS:
        raise UsageError(f"There is no variant {variant!r} of the scores; choose one of {', '.join(_VARIANTS)}.")
    default = Path("evaluations") / f"{Path(proposal).stem}-{Path(truth).stem}"
    folder = free_folder(default) if output is None else check_folder(output, overwrite=overwrite)
    (true_lines, true_crs), (lines, crs) = read_lines(truth), read_lines(proposal)
    _check_crs(truth, true_crs, proposal, crs)
    metric = _metric_crs(true_lines if len(true_lines) else lines, true_crs if len(true_lines) else crs)
    if metric is not None:
        true_lines, lines = reprojected(true_lines, true_crs, metric), reprojected(lines, crs, metric)
        unit_m = ground_of(metric).unit_m
        if unit_m not in (None, 1):
            # A local CRS in feet: its plane is kept, in metres.
            true_lines, lines = (shapely.transform(each, lambda xy: xy * unit_m) for each in (true_lines, lines))
    for path, each in ((truth, true_lines), (proposal, lines)):
        _check_extent(path, each)
    if len(true_lines) and len(lines):
        boxes = [shapely.box(*shapely.total_bounds(each)) for each in (true_lines, lines)]
        if not shapely.intersects(*boxes):
            logger.warning("Truth and proposal do not overlap, so nothing agrees. Do both declare the right CRS?")
    true_graph, graph = graph_from_lines(true_lines), graph_from_lines(lines)
    west, south, east, north = shapely.total_bounds(true_lines) if len(true_lines) else (0.0, 0.0, 0.0, 0.0)
    tile = "small" if max(east - west, north - south) < _SMALL_TILE_M else "large"
    spacing_m, far_m, reach_m = (30, 30, 150) if tile == "small" else (50, 100, 300)
    has_cosmiq, has_sat2graph = variant != "sat2graph", variant != "cosmiq"
    result = EvaluateRoadsResult(
        truth=Path(truth),
        proposal=Path(proposal),
        output=folder,
        crs=metric,
        variant=variant,
        seed=seed,
        truth_graph=_size(true_graph),
        proposal_graph=_size(graph),
        apls_cosmiq=apls_cosmiq(true_graph, graph, seed=seed) if has_cosmiq else None,
        topo_cosmiq=topo_cosmiq(true_graph, graph, seed=seed) if has_cosmiq else None,
        sat2graph_tile=tile if has_sat2graph else None,
        apls_sat2graph=apls_sat2graph(true_graph, graph, spacing_m=spacing_m, min_path_m=far_m, margin_m=far_m)
        if has_sat2graph
        else None,
        topo_sat2graph=topo_sat2graph(true_graph, graph, reach_m=reach_m) if has_sat2graph else None,
    )
    with write_folder(folder) as part:
        write_metrics(part, result.to_dict())
    return result


def _check_extent(path: str | Path, lines: Geometries) -> None:
    """Refuse roads with a vertex gone astray: walked in steps of metres, they would keep the scores busy for hours."""
    xy, line = shapely.get_coordinates(lines, return_index=True)
    steps = np.hypot(*np.diff(xy, axis=0).T)[np.diff(line) == 0]
    if len(steps) and not steps.max() <= _LONGEST_STEP_M:
        raise DataError(
            f"{path}: a road goes {steps.max() / 1000:,.0f} km from one vertex to the next. Is a coordinate "
            "or the CRS wrong?"
        )


def _check_crs(truth: str | Path, true_crs: str | None, proposal: str | Path, crs: str | None) -> None:
    if (true_crs is None) != (crs is None):
        without, other, known = (truth, proposal, crs) if true_crs is None else (proposal, truth, true_crs)
        raise DataError(
            f"{without} has no CRS, {other} has {known}; they cannot be compared. Declare the CRS of the first, or "
            "drop the other's if both are in pixels."
        )
    if crs is None:
        logger.info("The files have no CRS: a unit of their coordinates is taken for a metre.")


def _metric_crs(lines: Geometries, crs: str | None) -> str | None:
    """Return the CRS itself when its units are true metres around the lines, else one that is centred on them."""
    if crs is None or not len(lines):
        return None
    ground = ground_of(crs)
    west, south, east, north = (float(bound) for bound in shapely.total_bounds(lines))
    if ground.geod is None or ground.true_unit_m((west, south, east, north), 1) == 1:
        return crs
    lon, lat = ground.to_degrees(*shapely.get_coordinates(lines).T)
    if not np.isfinite(lon).all():
        raise DataError(f"Some lines have no place on the ground in {ground.name}. Is their CRS right?")
    # The middle on the circle, since longitudes go round: that of 179.99 and -179.99 is 180.
    turned = np.exp(1j * np.radians(lon)).mean()
    center = {"lat_0": round(float(lat.min() + lat.max()) / 2, 6), "lon_0": round(math.degrees(np.angle(turned)), 6)}
    is_earth = abs(ground.geod.a / _EARTH_RADIUS_M - 1) < 0.01
    shape = {"datum": "WGS84"} if is_earth else {"a": ground.geod.a, "b": ground.geod.b}
    return str(pyproj.CRS.from_dict({"proj": "aeqd", **center, **shape}).to_string())


def _size(graph: nx.MultiGraph[int]) -> RoadGraphSize:
    return RoadGraphSize(
        length_m=float(sum(data["length_m"] for *_, data in graph.edges(data=True))),
        nodes=graph.number_of_nodes(),
        edges=graph.number_of_edges(),
        components=nx.number_connected_components(graph),
    )
