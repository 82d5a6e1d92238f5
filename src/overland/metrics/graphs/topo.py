"""TOPO of road graphs, in its two published variants, which do not compare.

Both put origins on the truth, holes along the true roads around each and marbles along the proposed ones, and count
marbles that fall into holes. Road graphs are those of `graph_from_lines`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import networkx as nx
import numpy as np
import scipy.sparse as sp
import shapely
from scipy.sparse.csgraph import connected_components, maximum_bipartite_matching
from scipy.spatial import cKDTree

from overland.metrics.arrays import Floats, Ints
from overland.metrics.graphs.network import (
    Network,
    Pieces,
    Places,
    anchored,
    cut_at,
    iter_path_lengths,
    network_from_graph,
    points_at,
    ring_nodes,
    simplified,
    xy_of,
)

__all__ = [
    "TopoCosmiq",
    "TopoSat2graph",
    "topo_cosmiq",
    "topo_sat2graph",
]


# Distances from the origin to both ends of a line that differ by less are equal (CosmiQ).
_EQUALLY_FAR_M = 1e-3
_ORIGINS_EVERY_M = 55.5
# Of origins whose places on the proposal are nearer than this, the best counts, and those that are nearly perfect.
_COMPETING_M = 22.2
_NEARLY_PERFECT = 0.9
# The reference counts each hole twice for precision, once for each direction of the road.
_MARBLES_PER_HOLE = 2
_AHEAD_M = 0.5
# Where two ways meet at a point, one of them has it whatever the rounding.
_SAME_M = 1e-6


@dataclass(frozen=True)
class TopoCosmiq:
    """TOPO in the variant of CosmiQ Works; NaN where both graphs are empty.

    Attributes:
        origins: Number of origins.
        marbles: Number of points on the proposal, over all origins.
        holes: Number of points on the truth, over all origins.
        precision: Fraction of marbles that fall into a hole, 0 to 1.
        recall: Fraction of holes that hold a marble, 0 to 1.
        f1: The harmonic mean of both.
    """

    origins: int
    marbles: int
    holes: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class TopoSat2graph:
    """TOPO in the variant of Sat2Graph; NaN where the truth has no origin and the proposal no line.

    Attributes:
        origins: Number of origins on the truth.
        matched_origins: Number of those that have a place on the proposal.
        precision: Mean precision over matched origins, 0 to 1.
        recall: Mean recall over matched origins, times the fraction of origins that are matched, 0 to 1.
        f1: The harmonic mean of both.
        recall_matched: Mean recall over matched origins, 0 to 1.
    """

    origins: int
    matched_origins: int
    precision: float
    recall: float
    f1: float
    recall_matched: float


def topo_cosmiq(
    truth: nx.MultiGraph[int],
    proposal: nx.MultiGraph[int],
    *,
    radius_m: float = 150.0,
    interval_m: float = 30.0,
    match_m: float = 4.0,
    max_origins: int = 1000,
    seed: int = 0,
) -> TopoCosmiq:
    """Score how well the surroundings of nodes agree, in the variant of CosmiQ Works.

    Origins are the nodes of the truth. Around each, nodes that are connected there, and points along the lines between
    them, are holes; the same around the nearest node of the proposal are marbles. A marble falls into the nearest free
    hole. Without such a node all holes stay empty. Counts are summed over all origins. A ring without a junction has no
    node of its own, so that of the truth counts as a place on the proposal as well; points on a loop are counted from
    its node both ways.

    Args:
        truth: The true road graph, in a metric projection.
        proposal: The road graph that is evaluated, in the same.
        radius_m: Nodes within so many metres of an origin are its surroundings.
        interval_m: Distance of points along the lines, in metres.
        match_m: Largest distance of an origin and its node on the proposal, and of a marble and its hole, in metres.
        max_origins: At most so many origins are drawn.
        seed: Seed of that draw.

    Returns:
        The counts and scores; all scores are 0 when one graph is empty and NaN when both are.

    Source: Biagioni and Eriksson 2012, Inferring road maps from global positioning system traces, as in
        github.com/CosmiQ/apls (origins there are drawn with replacement).
    """
    true = network_from_graph(truth)
    rings = [shapely.Point(truth.nodes[node]["x"], truth.nodes[node]["y"]) for node in ring_nodes(truth)]
    proposal = anchored(proposal, np.asarray(rings, dtype=object), match_m)
    if ring_nodes(proposal):
        proposal = anchored(proposal, points_at(true.nodes), match_m, rings_only=True)
    proposed = network_from_graph(proposal)
    if not len(true.nodes) and not len(proposed.nodes):
        return TopoCosmiq(0, 0, 0, np.nan, np.nan, np.nan)
    origins = np.arange(len(true.nodes))
    if len(origins) > max_origins:
        origins = np.sort(np.random.default_rng(seed).choice(len(origins), max_origins, replace=False))
    counts = np.zeros(3, dtype=np.int64)
    starts = np.full(len(origins), -1, dtype=np.int64)
    if len(proposed.nodes):
        distance, node = cKDTree(proposed.nodes).query(true.nodes[origins])
        starts = np.where(distance <= match_m, node, -1)
    for origin, start in zip(origins.tolist(), starts.tolist(), strict=True):
        holes = _surroundings(true, origin, radius_m, interval_m)
        marbles = _surroundings(proposed, start, radius_m, interval_m) if start >= 0 else np.empty((0, 2))
        counts += (_filled(holes, marbles, match_m), len(marbles), len(holes))
    hits, num_marbles, num_holes = counts.tolist()
    return TopoCosmiq(
        origins=len(origins),
        marbles=num_marbles,
        holes=num_holes,
        precision=hits / max(num_marbles, 1),
        recall=hits / max(num_holes, 1),
        f1=2 * hits / max(num_marbles + num_holes, 1),
    )


def _surroundings(network: Network, origin: int, radius_m: float, interval_m: float) -> Floats:
    """Return nodes around one that are connected to it by lines between them, and points along these lines (n, 2)."""
    count = len(network.nodes)
    is_near = np.hypot(*(network.nodes - network.nodes[origin]).T) <= radius_m
    lines = np.flatnonzero(is_near[network.ends].all(axis=1))
    ends = network.ends[lines]
    links = sp.coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count))
    _, piece = connected_components(links, directed=False)
    lines = lines[piece[ends[:, 0]] == piece[origin]]
    points = [network.nodes[piece == piece[origin]]]
    for line in lines.tolist():
        length = network.lengths[line]
        offsets = np.arange(0, length, interval_m)[1:]
        start, end = (np.hypot(*(network.nodes[node] - network.nodes[origin])) for node in network.ends[line])
        # Counted from the end nearer to the origin, so that truth and proposal have their points at the same places;
        # from both where they are equally far, as those of a loop.
        if abs(end - start) < _EQUALLY_FAR_M:
            half = offsets[offsets < length / 2 - _SAME_M]
            middle = offsets[np.abs(offsets - length / 2) <= _SAME_M]
            offsets = np.concatenate([half, middle, length - half])
        elif end < start:
            offsets = length - offsets
        points.append(shapely.get_coordinates(shapely.line_interpolate_point(network.lines[line], offsets)))
    return np.concatenate(points)


def _filled(holes: Floats, marbles: Floats, match_m: float) -> int:
    free = np.ones(len(holes), dtype=bool)
    tree = cKDTree(holes)
    around = np.asarray(tree.query_ball_point(marbles, match_m), dtype=np.object_) if len(marbles) else np.empty(0)
    for marble, near in zip(marbles, around, strict=True):
        options = np.array([hole for hole in sorted(near) if free[hole]], dtype=np.int64)
        if len(options):
            free[options[np.hypot(*(holes[options] - marble).T).argmin()]] = False
    return int((~free).sum())


def topo_sat2graph(
    truth: nx.MultiGraph[int],
    proposal: nx.MultiGraph[int],
    *,
    reach_m: float = 300.0,
    interval_m: float = 5.0,
    match_m: float = 10.0,
    match_deg: float = 30.0,
) -> TopoSat2graph:
    """Score how well the roads that can be reached agree, in the variant of Sat2Graph.

    Origins stand about every 55 m on the lines of the truth; an origin is matched with the nearest line of the proposal
    that runs the same way. From both places, points along the roads are holes and marbles, matched one to one. The
    defaults are for tiles of 2 km; on tiles of 400 m `reach_m` is 150.

    Args:
        truth: The true road graph, in a metric projection.
        proposal: The road graph that is evaluated, in the same.
        reach_m: Largest distance of a point along the roads, in metres.
        interval_m: Distance of points along the roads, in metres.
        match_m: Largest distance of an origin and its line, and of a marble and its hole, in metres.
        match_deg: Their directions differ by less than so many degrees.

    Returns:
        The counts and scores; all scores are 0 when one graph is empty and NaN when the truth has no origin and the
        proposal no line.

    Source: Biagioni and Eriksson 2012, as in github.com/songtaohe/Sat2Graph, metrics/topo, with the parameters of its
        README (its code takes 15° for origins and 45° for marbles).
    """
    networks = [network_from_graph(simplified(graph)) for graph in (truth, proposal)]
    lengths = networks[0].lengths
    long = np.flatnonzero(lengths >= _ORIGINS_EVERY_M / 2)
    counts = np.maximum(lengths[long] // _ORIGINS_EVERY_M, 1).astype(np.int64)
    line = np.repeat(long, counts)
    steps = np.concatenate([np.arange(1, count + 1) / (count + 1) for count in counts] + [np.empty(0)])
    origins = Places(line, steps * lengths[line])
    places = _facing_places(networks[0], origins, networks[1], match_m, match_deg)
    matched = np.flatnonzero(places.line >= 0)
    holes = _marbles(networks[0], origins[matched], reach_m, interval_m)
    marbles = _marbles(networks[1], places[matched], reach_m, interval_m)
    pairs = zip(holes, marbles, strict=True)
    scores = np.array([_one_origin(*pair, match_m, match_deg) for pair in pairs]).reshape(-1, 2)
    kept = _without_competitors(networks[1], places[matched], scores[:, 0])
    if not len(origins.line) and not len(networks[1].lines):
        return TopoSat2graph(0, 0, np.nan, np.nan, np.nan, np.nan)
    precision, recall_matched = scores[kept].mean(axis=0).tolist() if len(kept) else (0.0, 0.0)
    recall = recall_matched * len(kept) / max(len(origins.line), 1)
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return TopoSat2graph(len(origins.line), len(kept), precision, recall, f1, recall_matched)


def _facing_places(network: Network, origins: Places, other: Network, max_m: float, max_deg: float) -> Places:
    """Find the nearest place on another network, among its lines that run the same way there; nowhere if too far."""
    points, directions = points_at(xy_of(network, origins)), _directions(network, origins)
    line, offset = np.full(len(points), -1, dtype=np.int64), np.zeros(len(points))
    if not (len(points) and len(other.lines)):
        return Places(line, offset)
    index, near = shapely.STRtree(other.lines).query(points, predicate="dwithin", distance=max_m)
    at = Places(near, np.asarray(shapely.line_locate_point(other.lines[near], points[index]), dtype=float))
    faces = _cosines(directions[index], _directions(other, at)) > np.cos(np.radians(max_deg))
    index, at = index[faces], at[faces]
    distance = shapely.distance(points[index], other.lines[at.line])
    # The nearest is written last, and of equals the first line.
    order = np.lexsort([-at.line, -distance])
    line[index[order]], offset[index[order]] = at.line[order], at.offset[order]
    return Places(line, offset)


def _directions(network: Network, places: Places) -> Floats:
    lines, length = network.lines[places.line], network.lengths[places.line]
    behind = shapely.line_interpolate_point(lines, np.maximum(places.offset - _AHEAD_M, 0))
    ahead = shapely.line_interpolate_point(lines, np.minimum(places.offset + _AHEAD_M, length))
    steps = shapely.get_coordinates(ahead) - shapely.get_coordinates(behind)
    return np.asarray(steps / np.maximum(np.hypot(*steps.T), 1e-12)[:, None])


def _cosines(first: Floats, second: Floats) -> Floats:
    return np.asarray(np.abs((first * second).sum(axis=-1)))


def _marbles(network: Network, origins: Places, reach_m: float, interval_m: float) -> Iterator[tuple[Floats, Floats]]:
    """Return points (K, 2) along the roads from each origin, and the directions of the roads there (K, 2)."""
    pieces = cut_at(network, origins)
    for block, reached in iter_path_lengths(pieces, pieces.vertex, np.arange(pieces.count), limit_m=reach_m):
        for origin, lengths in zip(block, reached, strict=True):
            places = _walk(pieces, lengths, reach_m, interval_m)
            line = np.concatenate([origins.line[[origin]], places.line])
            places = Places(line, np.concatenate([origins.offset[[origin]], places.offset]))
            yield xy_of(network, places), _directions(network, places)


def _walk(pieces: Pieces, reached: Floats, reach_m: float, interval_m: float) -> Places:
    """Return places at multiples of the interval; two ways into a piece meet where they are equally long."""
    line, offset = [], []
    for side, sign in ((0, 1), (1, -1)):
        here, there = reached[pieces.ends[:, side]], reached[pieces.ends[:, 1 - side]]
        piece = np.flatnonzero(np.isfinite(here))
        # A far end out of reach is never the shorter way in.
        far = np.minimum(there[piece], here[piece] + pieces.length[piece])
        meeting = (far + here[piece] + pieces.length[piece]) / 2
        last = np.minimum(meeting + sign * _SAME_M, reach_m + _SAME_M)
        first = np.floor((here[piece] + _SAME_M) / interval_m) + 1
        counts = np.maximum(np.floor(last / interval_m) - first + 1, 0).astype(np.int64)
        step = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        ahead = (np.repeat(first, counts) + step) * interval_m - np.repeat(here[piece], counts)
        piece = np.repeat(piece, counts)
        begin = pieces.start[piece] + (pieces.length[piece] if side else 0)
        line.append(pieces.line[piece])
        offset.append(begin + sign * ahead)
    return Places(np.concatenate(line), np.concatenate(offset))


def _one_origin(
    holes: tuple[Floats, Floats], marbles: tuple[Floats, Floats], match_m: float, match_deg: float
) -> tuple[float, float]:
    (hole_xy, hole_direction), (marble_xy, marble_direction) = holes, marbles
    near = cKDTree(marble_xy).query_ball_tree(cKDTree(hole_xy), match_m)
    marble = np.repeat(np.arange(len(near)), [len(row) for row in near])
    hole = np.array([index for row in near for index in row], dtype=np.int64)
    alike = _cosines(marble_direction[marble], hole_direction[hole]) > np.cos(np.radians(match_deg))
    options = (np.ones(int(alike.sum())), (marble[alike], hole[alike]))
    links = sp.csr_array(options, shape=(len(marble_xy), len(hole_xy)))
    twice = sp.hstack([links] * _MARBLES_PER_HOLE, format="csr")
    return _matched(twice) / len(marble_xy), _matched(links) / len(hole_xy)


def _matched(links: sp.csr_array) -> int:
    return int((maximum_bipartite_matching(links, perm_type="column") >= 0).sum())


def _without_competitors(network: Network, places: Places, precision: Floats) -> Ints:
    pieces = cut_at(network, places)
    competitors = [
        np.flatnonzero(row < _COMPETING_M)
        for _, apart in iter_path_lengths(pieces, pieces.vertex, pieces.vertex, limit_m=_COMPETING_M)
        for row in apart
    ]
    is_beaten = np.zeros(len(precision), dtype=bool)
    kept = []
    for index in np.argsort(-precision, kind="stable"):
        if not is_beaten[index] or precision[index] >= _NEARLY_PERFECT:
            kept.append(index)
            is_beaten[competitors[index]] = True
    return np.sort(np.array(kept, dtype=np.int64))
