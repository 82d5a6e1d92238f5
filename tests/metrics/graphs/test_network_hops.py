import numpy as np

from drawn_graphs import roads
from overland.metrics.graphs.network import hops_from_network, network_from_graph


def hops(*lines):
    return hops_from_network(network_from_graph(roads(*lines)))


def test_straight_parts_over_3_m_are_divided():
    assert hops([(0, 0), (3, 0)]).places.offset.tolist() == [0, 3]
    assert np.allclose(hops([(0, 0), (3.3, 0)]).places.offset, [0, 1.65, 3.3])
    assert np.allclose(hops([(0, 0), (4, 0), (4, 1)]).places.offset, [0, 4 / 3, 8 / 3, 4, 5])


def test_what_is_around_a_vertex():
    path = hops([(0, 0), (2, 0), (4, 0), (6, 0), (8, 0)])
    middle = int(path.vertex[2])
    assert {float(path.xy[path.first[vertex]][0]) for vertex in path.around(middle, 1)} == {2, 4, 6}
    assert len(path.around(middle, 4)) == 5


def test_nothing_has_no_hops():
    assert len(hops().places.line) == 0
