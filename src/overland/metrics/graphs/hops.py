"""A network walked in hops of two metres, as Sat2Graph measures it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import shapely

from overland.metrics.graphs.network import Network, Pieces, Places, cut_at, xy_of

__all__ = ["HOP_M", "Hops", "hops_from_network"]

Ints = npt.NDArray[np.int64]

HOP_M = 2.0
_WHOLE_M = 3.0


@dataclass(frozen=True)
class Hops:
    """Points at most 3 m apart on all lines, in their order along each line.

    `chain` (E + 1,) says where the points of each line begin; `vertex` (V, first) which point stands for each vertex.
    """

    places: Places
    xy: npt.NDArray[np.float64]
    chain: Ints
    vertex: Ints
    first: Ints
    neighbors: sp.csr_array

    def around(self, vertex: int, hops: int) -> set[int]:
        """The vertices within so many hops of one, itself among them."""
        reached = edge = {vertex}
        for _ in range(hops):
            edge = {int(near) for at in edge for near in self._next_to(at)} - reached
            reached = reached | edge
        return reached

    def _next_to(self, vertex: int) -> Ints:
        return np.asarray(self.neighbors.indices[self.neighbors.indptr[vertex] : self.neighbors.indptr[vertex + 1]])


def hops_from_network(network: Network) -> Hops:
    """Divide each straight part over 3 m into hops of at most 2 m; shorter parts stay whole."""
    offsets = [_offsets(line) for line in network.lines]
    counts = np.array([len(offset) for offset in offsets], dtype=np.int64)
    line = np.repeat(np.arange(len(offsets)), counts)
    places = Places(line, np.concatenate([*offsets, np.empty(0)]))
    pieces = cut_at(network, places)
    _, first = np.unique(pieces.vertex, return_index=True)
    chain = np.concatenate([[0], np.cumsum(counts)])
    return Hops(places, xy_of(network, places), chain, pieces.vertex, first, _neighbors(pieces))


def _offsets(line: shapely.LineString) -> npt.NDArray[np.float64]:
    parts = np.hypot(*np.diff(shapely.get_coordinates(line), axis=0).T)
    counts = np.where(parts > _WHOLE_M, parts // HOP_M + 1, 1).astype(np.int64)
    steps = np.repeat(parts / counts, counts)
    return np.concatenate([[0.0], np.cumsum(steps)[:-1], [line.length]])


def _neighbors(pieces: Pieces) -> sp.csr_array:
    u, v = pieces.ends.T
    links = (np.ones(2 * len(u)), (np.concatenate([u, v]), np.concatenate([v, u])))
    return sp.csr_array(links, shape=(pieces.count, pieces.count))
