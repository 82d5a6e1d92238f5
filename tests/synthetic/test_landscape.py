from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import shapely
from scipy import ndimage

from overland.errors import UsageError
from overland.synthetic import LANDSCAPE_LEGEND, Landscape, synthetic_landscape

ROAD = LANDSCAPE_LEGEND.id_from_name("road")
KINDS = {"main", "secondary", "lane", "track"}


@pytest.fixture(scope="module")
def scenes() -> list[Landscape]:
    return [synthetic_landscape(seed, 512, 512) for seed in range(5)]


@pytest.fixture(scope="module")
def wide() -> Landscape:
    return synthetic_landscape(3, 640, 1100)


def bounds_of(landscape: Landscape) -> tuple[float, float, float, float]:
    grid = landscape.grid
    left, top, pixel_m = grid.transform.c, grid.transform.f, grid.transform.a
    return left, top - pixel_m * grid.height, left + pixel_m * grid.width, top


def pixels_along(landscape: Landscape, every_m: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Fractional rows and columns of points along all roads of a scene."""
    lines = shapely.segmentize([shapely.LineString(road.line) for road in landscape.roads], every_m)
    x, y = shapely.get_coordinates(lines).T
    left, _, _, top = bounds_of(landscape)
    return (top - y) / landscape.grid.transform.a, (x - left) / landscape.grid.transform.a


def test_same_arguments_give_the_same_bytes():
    first, second = synthetic_landscape(5, 300, 260), synthetic_landscape(5, 300, 260)
    assert first.image.tobytes() == second.image.tobytes()
    assert first.mask.tobytes() == second.mask.tobytes()
    assert first.grid == second.grid
    assert [road.line.tobytes() for road in first.roads] == [road.line.tobytes() for road in second.roads]


def test_seeds_differ_in_place_layout_and_light(scenes):
    assert len({scene.grid.transform for scene in scenes}) == len(scenes)
    assert len({scene.mask.tobytes() for scene in scenes}) == len(scenes)
    assert np.ptp([scene.image.mean() for scene in scenes]) > 3


def test_legend_has_the_fixed_order_and_no_background():
    assert LANDSCAPE_LEGEND.names == ("field", "road", "building", "forest", "water")
    assert LANDSCAPE_LEGEND.background is None


@pytest.mark.parametrize(("height", "width"), [(256, 256), (256, 400), (410, 257)])
def test_any_size_gives_arrays_of_that_size(height, width):
    landscape = synthetic_landscape(1, height, width)
    assert landscape.image.shape == (3, height, width)
    assert landscape.mask.shape == (height, width)
    assert (landscape.grid.height, landscape.grid.width) == (height, width)
    assert landscape.image.dtype == landscape.mask.dtype == np.uint8
    assert landscape.image.flags.c_contiguous


def test_the_grid_is_metric_and_in_its_utm_zone(wide):
    assert wide.grid.crs == "EPSG:32633"
    assert wide.grid.resolution_m == pytest.approx(0.5)
    left, bottom, right, top = bounds_of(wide)
    assert (right - left, top - bottom) == (550.0, 320.0)
    assert 166_000 < left < right < 834_000
    assert 0 < bottom < top < 9_300_000


def test_resolution_scales_the_ground_covered():
    coarse = synthetic_landscape(2, 256, 256, resolution_m=1.0)
    assert coarse.grid.resolution_m == pytest.approx(1.0)
    left, bottom, right, top = bounds_of(coarse)
    assert (right - left, top - bottom) == (256.0, 256.0)
    assert coarse.roads


def test_every_class_occurs_and_open_land_and_road_in_every_scene(scenes):
    counts = np.array([np.bincount(scene.mask.ravel(), minlength=5) for scene in scenes])
    assert counts.shape[1] == LANDSCAPE_LEGEND.num_classes
    assert (counts.sum(axis=0) > 2000).all()
    assert (counts[:, :2] > 1000).all()


def test_the_picture_has_light_shadow_and_texture(scenes):
    for scene in scenes:
        grey = scene.image.mean(axis=0)
        assert 50 < grey.mean() < 180
        assert np.percentile(grey, 99) - np.percentile(grey, 1) > 60
        assert np.isin(scene.image, (0, 255)).mean() < 0.02


def test_road_lines_lie_on_road_pixels(scenes, wide):
    for scene in [*scenes, wide]:
        rows, cols = pixels_along(scene)
        rows = np.floor(rows).astype(int).clip(0, scene.grid.height - 1)
        cols = np.floor(cols).astype(int).clip(0, scene.grid.width - 1)
        assert (scene.mask[rows, cols] == ROAD).mean() >= 0.98


def test_road_pixels_lie_within_half_a_width_of_a_line(scenes, wide):
    for scene in [*scenes, wide]:
        rows, cols = np.nonzero(scene.mask == ROAD)
        left, _, _, top = bounds_of(scene)
        x, y = left + (cols + 0.5) * scene.grid.transform.a, top - (rows + 0.5) * scene.grid.transform.a
        tree = shapely.STRtree([shapely.LineString(road.line) for road in scene.roads])
        widest_px = max(road.width_m for road in scene.roads) / 2 + 0.5
        points, roads = tree.query(shapely.points(x, y), predicate="dwithin", distance=widest_px)
        half = np.array([road.width_m for road in scene.roads])[roads] / 2
        gap = shapely.distance(tree.geometries[roads], shapely.points(x[points], y[points])) - half
        nearest = np.full(len(x), np.inf)
        np.minimum.at(nearest, points, gap)
        assert (nearest <= scene.grid.resolution_m).mean() >= 0.98


def test_roads_are_named_have_a_width_and_lie_in_the_scene(wide):
    left, bottom, right, top = bounds_of(wide)
    scene = shapely.box(left - 1e-6, bottom - 1e-6, right + 1e-6, top + 1e-6)
    for road in wide.roads:
        assert road.kind in KINDS
        assert 2.5 < road.width_m < 12
        assert road.line.ndim == 2
        assert road.line.shape[1] == 2
        assert scene.covers(shapely.LineString(road.line))


def test_edges_meet_only_at_nodes_that_they_share_exactly(wide):
    lines = [shapely.LineString(road.line) for road in wide.roads]
    ends = Counter(tuple(point) for road in wide.roads for point in (road.line[0], road.line[-1]))
    assert max(ends.values()) >= 3
    assert all(line.is_simple for line in lines)
    for first, second in shapely.STRtree(lines).query(lines, predicate="intersects").T:
        if first < second:
            shared = shapely.get_coordinates(lines[first].intersection(lines[second]))
            assert all(ends[tuple(point)] >= 2 for point in shared)


def test_no_edge_ends_in_the_middle_of_nowhere_along_another(wide):
    ends = Counter(tuple(point) for road in wide.roads for point in (road.line[0], road.line[-1]))
    border = shapely.box(*bounds_of(wide)).exterior
    network = shapely.MultiLineString([road.line for road in wide.roads])
    for point in [shapely.Point(end) for end, count in ends.items() if count == 1]:
        others = [line for line in network.geoms if line.distance(point) < 0.2]
        assert len(others) == 1 or border.distance(point) < 1


def test_roads_of_several_widths_meet_in_t_and_x_junctions():
    landscape = synthetic_landscape(7, 1000, 1000)
    degrees = Counter(Counter(tuple(p) for road in landscape.roads for p in (road.line[0], road.line[-1])).values())
    assert degrees[3] > degrees[4] > 0
    assert len({road.kind for road in landscape.roads}) >= 3


def test_a_road_under_trees_is_still_road(scenes):
    # Crowns are dark green; open asphalt and sand are not.
    overhung = 0
    for scene in scenes:
        red, green, blue = ndimage.uniform_filter(scene.image.astype(float), (0, 3, 3))
        overhung += int(((scene.mask == ROAD) & (green > 1.12 * red) & (green > 1.12 * blue)).sum())
    assert overhung > 200


def test_colour_alone_does_not_give_the_roads_away(scenes):
    # The best rule on 4,096 colours, learned on the other scenes, must leave most of the work to shape and context.
    codes = [np.tensordot([256, 16, 1], scene.image.astype(int) // 16, axes=1).ravel() for scene in scenes]
    roads = [(scene.mask == ROAD).ravel() for scene in scenes]
    joint = np.array(
        [
            [np.bincount(c[r == is_road], minlength=4096) for is_road in (0, 1)]
            for c, r in zip(codes, roads, strict=True)
        ]
    )
    hit = union = 0
    for i, (code, road) in enumerate(zip(codes, roads, strict=True)):
        other, as_road = np.delete(joint, i, axis=0).sum(axis=0)
        guess = (as_road > other)[code]
        hit, union = hit + (guess & road).sum(), union + (guess | road).sum()
    assert 0.05 < hit / union < 0.65


@pytest.mark.parametrize(
    ("seed", "height", "width", "resolution_m"), [(-1, 256, 256, 0.5), (1, 32, 256, 0.5), (1, 256, 256, 0)]
)
def test_impossible_scenes_are_refused(seed, height, width, resolution_m):
    with pytest.raises(UsageError, match="ask for at least 64"):
        synthetic_landscape(seed, height, width, resolution_m=resolution_m)
