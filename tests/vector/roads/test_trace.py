from __future__ import annotations

import numpy as np
import pytest

from overland.cleaning.components import bitmask_from_array
from overland.vector.roads.skeleton import Centerlines
from overland.vector.roads.trace import path_length, trace_centerlines


def traced(*rows):
    skeleton = np.array([[pixel == "#" for pixel in row] for row in rows])
    at = np.nonzero(skeleton)
    return trace_centerlines(Centerlines(bitmask_from_array(skeleton), *at, np.ones(len(at[0]))), pixel_size_m=(1, 1))


def degrees(graph):
    return sorted(degree for _, degree in graph.degree)


def test_a_line_is_one_edge():
    graph = traced("......", ".####.", "......")
    [(_, _, data)] = graph.edges(data=True)
    assert path_length(data["path"]) == 3
    assert [tuple(data["xy"]) for _, data in graph.nodes(data=True)] == [(1.5, 1.5), (4.5, 1.5)]


def test_a_diagonal_is_as_long_as_it_is():
    [(_, _, data)] = traced("#...", ".#..", "..#.", "...#").edges(data=True)
    assert path_length(data["path"]) == pytest.approx(3 * 2**0.5)


def test_a_t_has_one_junction_though_pixels_touch_across():
    assert degrees(traced(".....", "#####", "..#..", "..#..")) == [1, 1, 1, 3]


def test_a_ring_has_one_node():
    graph = traced(".##.", "#..#", "#..#", ".##.")
    assert degrees(graph) == [2]
    assert graph.number_of_edges() == 1


def test_rows_do_not_wrap_round():
    assert traced("...##", "##...").number_of_edges() == 2


def test_single_pixels_are_left_out():
    assert len(traced("...", ".#.", "...")) == 0


def test_nodes_near_the_edge_are_border():
    graph = traced(*["." * 12] * 6, "#" * 7 + "." * 5, *["." * 12] * 6)
    assert [data["border"] for _, data in graph.nodes(data=True)] == [True, False]
