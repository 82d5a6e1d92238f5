"""How many seconds of one core a mask takes to become vectors: polygons of a noisy 7-class mask, and a road graph.

    python benchmarks/bench_vectorize.py [--side 10000] [--kind roads]

--side is the height and width of the masks in pixels (default 2448 for polygons, 4096 for roads). The masks are made.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import numpy.typing as npt
import shapely
from scipy.ndimage import gaussian_filter

from overland.raster.features import shapes_from_mask
from overland.vector import polygons_from_mask, road_graph_from_mask


def main() -> None:
    """Print one line for each kind of vectors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int)
    parser.add_argument("--kind", choices=["polygons", "roads"])
    options = parser.parse_args()
    if options.kind != "roads":
        bench_polygons(options.side or 2448)
    if options.kind != "polygons":
        bench_roads(options.side or 4096)


def bench_polygons(size: int) -> None:
    """Time polygons next to the shapes that the mask has before anything is cleaned."""
    mask = _noisy_classes(size)
    raw, _ = shapes_from_mask(mask)
    started = time.process_time()
    polygons, _ = polygons_from_mask(mask, min_pixels=64, tolerance=3)
    seconds = time.process_time() - started
    print(
        f"polygons {size} x {size}, 7 classes: {seconds:.2f} s; raw {len(raw):,} polygons, "
        f"{shapely.get_num_coordinates(raw).sum():,} vertices; written {len(polygons):,} polygons, "
        f"{shapely.get_num_coordinates(polygons).sum():,} vertices; "
        f"covered {shapely.area(polygons).sum() / mask.size:.6f} of the mask"
    )


def bench_roads(size: int) -> None:
    """Time the road graph of a ragged network."""
    mask = _ragged_roads(size)
    started = time.process_time()
    graph = road_graph_from_mask(mask)
    seconds = time.process_time() - started
    length = sum(data["length_m"] for *_, data in graph.edges(data=True))
    print(
        f"roads {size} x {size}: {seconds:.2f} s; {graph.number_of_nodes():,} nodes, "
        f"{graph.number_of_edges():,} edges, {length:,.0f} px"
    )


def _noisy_classes(size: int) -> npt.NDArray[np.uint8]:
    rng = np.random.default_rng(0)
    fields = np.stack([gaussian_filter(rng.normal(size=(size, size)).astype(np.float32), 12) for _ in range(7)])
    mask = fields.argmax(0).astype(np.uint8)
    wrong = rng.random(mask.shape, dtype=np.float32) < 0.02
    mask[wrong] = rng.integers(0, 7, int(wrong.sum()))
    return mask


def _ragged_roads(size: int) -> npt.NDArray[np.bool_]:
    """A slightly turned grid of winding roads 9 pixels wide, a block each 150, with ragged sides and broken places."""
    rng = np.random.default_rng(0)
    rows, cols = np.ogrid[:size, :size]
    bend = 20 * np.sin(rows / 170) * np.ones((1, size)), 20 * np.sin(cols / 140) * np.ones((size, 1))
    lanes = [
        np.abs((axis + other / 9 + curve) % 150 - 75)
        for (axis, other), curve in zip([(cols, rows), (rows, cols)], bend, strict=True)
    ]
    distance = np.minimum(*lanes).astype(np.float32)
    ragged = 6 * gaussian_filter(rng.normal(size=(size, size)).astype(np.float32), 2)
    broken = gaussian_filter(rng.normal(size=(size, size)).astype(np.float32), 8) * 16 * np.sqrt(np.pi) > 2.6
    return (distance + ragged < 4.5) & ~broken


if __name__ == "__main__":
    main()
