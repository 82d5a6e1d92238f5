"""Artefacts of thinning removed from the working graph: split junctions, spurs, specks."""

from __future__ import annotations

import networkx as nx
import numpy as np

from overland.vector.roads.trace import Edge, add_path, dissolve_chains, half_width_at, path_from, path_length

__all__ = ["contract_junctions", "drop_short_components", "prune_spurs"]

_ROUNDS = 4
# A spur reaches from the centre line to the outline of a bump: half the road and as much again.
_SPUR_WIDTHS = 1.0


def contract_junctions(graph: nx.MultiGraph[int]) -> None:
    """Make one node, in place, of junctions that are closer than their road is wide.

    Thinning turns a crossing into two T-junctions with a short piece between them: 1.3 half widths long where the
    roads meet at 60°, 1.9 at 50°. A crossing that is more acute keeps two nodes.

    Args:
        graph: The working graph.
    """
    widths = {node: half_width_at(graph, node) for node, degree in graph.degree if degree >= 3}
    short = []
    for u, v, key, data in graph.edges(keys=True, data=True):
        if u in widths and v in widths:
            # A loop at one junction that is no longer than a circle inside the road goes round nothing.
            reach = 2 * np.pi * widths[u] if u == v else 2 * max(widths[u], widths[v])
            if path_length(data["path"]) <= reach:
                short.append((u, v, key))
    clusters = list(nx.connected_components(nx.Graph([(u, v) for u, v, _ in short if u != v])))
    graph.remove_edges_from(short)
    for cluster in clusters:
        _merge_nodes(graph, sorted(cluster), max(widths[node] for node in cluster))
    # A speck may be nothing but loops.
    graph.remove_nodes_from(list(nx.isolates(graph)))
    dissolve_chains(graph)


def prune_spurs(graph: nx.MultiGraph[int], *, min_spur_m: float) -> None:
    """Remove short dead ends in place, in several rounds.

    Ends at the scene's border stay. Where a road forks at its very end the longest arm stays, unless all of them are
    mere corners of the end.

    Args:
        graph: The working graph.
        min_spur_m: Dead ends go that are shorter than this, in metres, or than the width of the road they leave.
    """
    for _ in range(_ROUNDS):
        spurs = []
        for end in [node for node, degree in graph.degree if degree == 1]:
            [(_, junction, data)] = graph.edges(end, data=True)
            if graph.degree(junction) < 3 or graph.nodes[end]["border"]:
                continue
            length, width = path_length(data["path"]), 2 * half_width_at(graph, junction)
            if length < max(min_spur_m, _SPUR_WIDTHS * width):
                spurs.append((length, junction, end))
        # The shortest go first, since a junction may lose its other arm with them.
        for length, junction, end in sorted(spurs):
            is_fork = length <= 2 * half_width_at(graph, junction)
            if graph.degree(junction) > (1 if is_fork else 2):
                graph.remove_node(end)
        if not spurs:
            break
        dissolve_chains(graph)


def drop_short_components(graph: nx.MultiGraph[int], *, min_length_m: float) -> None:
    """Remove short connected pieces in place.

    Args:
        graph: The working graph.
        min_length_m: Pieces go whose roads are shorter in all, in metres.
    """
    for nodes in list(nx.connected_components(graph)):
        edges = graph.subgraph(nodes).edges(data=True)
        if sum(path_length(data["path"]) for _, _, data in edges) < min_length_m:
            graph.remove_nodes_from(nodes)


def _merge_nodes(graph: nx.MultiGraph[int], cluster: list[int], half_width: float) -> None:
    center, *others = cluster
    graph.nodes[center]["xy"] = np.mean([graph.nodes[node]["xy"] for node in cluster], axis=0)
    graph.nodes[center]["border"] = any(graph.nodes[node]["border"] for node in cluster)
    edges: dict[Edge, None] = dict.fromkeys((u, v, key) for u, v, key in graph.edges(cluster, keys=True))
    for u, v, key in edges:
        data = graph.edges[u, v, key]
        start = data["start"]
        end = v if start == u else u
        path = path_from(data, start)
        graph.remove_edge(u, v, key)
        start, end = (center if node in others else node for node in (start, end))
        if start == end and path_length(path) <= 2 * np.pi * half_width:
            continue
        add_path(graph, start, end, path)
    graph.remove_nodes_from(others)
