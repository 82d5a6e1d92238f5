"""APLS in the form of CosmiQ once more, slow and plain as the reference has it: points put into a copy one by one."""

import networkx as nx
import numpy as np
import pytest
import shapely
from shapely.ops import substring

from overland.metrics.graphs import apls_cosmiq, graph_from_lines


def put_in(graph, point, name, max_m):
    """A new node where the nearest edge is nearest; a node that is there already gets an edge of no length."""
    u, v, key, data = min(graph.edges(keys=True, data=True), key=lambda edge: edge[3]["geometry"].distance(point))
    line = data["geometry"]
    if line.distance(point) > max_m:
        return
    if place(graph, u).distance(shapely.Point(line.coords[0])) > 1e-6:
        u, v = v, u
    along = line.project(point)
    spot = line.interpolate(along)
    graph.add_node(name, x=spot.x, y=spot.y)
    if min(along, line.length - along) < 1e-9:
        node = u if along < 1e-9 else v
        graph.add_edge(node, name, geometry=shapely.LineString([spot, spot]), length_m=0)
        return
    graph.remove_edge(u, v, key)
    for node, part in ((u, substring(line, 0, along)), (v, substring(line, along, line.length))):
        graph.add_edge(node, name, geometry=part, length_m=part.length)


def place(graph, node):
    return shapely.Point(graph.nodes[node]["x"], graph.nodes[node]["y"])


def points_every_50_m(line):
    if line.length < 37.5:
        return []
    parts = max(int(np.ceil(line.length / 50)), 2)
    return [line.interpolate(line.length * part / parts) for part in range(1, parts)]


def direction(own, other):
    own_cut, other_cut = own.copy(), other.copy()
    control = {node: place(own, node) for node in own}
    for number, line in enumerate([line for *_, line in own.edges(data="geometry")]):
        for index, point in enumerate(points_every_50_m(line)):
            control["between", number, index] = point
            put_in(own_cut, point, ("between", number, index), 1)
    for name, point in control.items():
        put_in(other_cut, point, ("moved", name), 4)
    true = dict(nx.all_pairs_dijkstra_path_length(own_cut, weight="length_m"))
    found = dict(nx.all_pairs_dijkstra_path_length(other_cut, weight="length_m"))
    errors = [
        min(1, abs(true[a][b] - found.get(("moved", a), {}).get(("moved", b), np.inf)) / true[a][b])
        for a in control
        for b in control
        if a != b and b in true[a]
    ]
    return 1 - float(np.mean(errors)), len(errors)


def town(rng, points, kept, noise_m):
    triangles = shapely.delaunay_triangles(shapely.multipoints(points), only_edges=True)
    streets = [line for line in shapely.get_parts(triangles) if rng.random() < kept]
    bent = [[a, np.add(a, b) / 2 + (8, 5), b] for a, b in (line.coords for line in streets)]
    return graph_from_lines([shapely.LineString(np.array(line) + rng.normal(0, noise_m, (3, 2))) for line in bent])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_both_ways_of_counting_agree(seed):
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 300, (9, 2))
    truth, proposal = town(rng, points, 0.8, 0.0), town(rng, points, 0.9, 0.0)
    shaken = town(rng, points, 1, 1.0)
    for other in (proposal, shaken):
        scores = apls_cosmiq(truth, other, min_truth_m=0, min_proposal_m=0)
        there, back = direction(truth, other), direction(other, truth)
        assert (scores.truth_to_proposal, scores.pairs_truth_to_proposal) == pytest.approx(there)
        assert (scores.proposal_to_truth, scores.pairs_proposal_to_truth) == pytest.approx(back)
