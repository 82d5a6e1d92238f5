import numpy as np
import pytest

from overland.reporting.map_figure import ClassArea, MapView, map_figure

IMAGE = np.zeros((80, 100, 3), np.uint8)


def test_only_what_is_there_can_be_switched():
    overlay = np.zeros((80, 100, 4), np.uint8)
    html = map_figure(MapView(IMAGE, overlay=overlay, roads=[np.array([[1.0, 2], [3, 4]])]))

    assert 'id="show-mask"' in html
    assert 'id="show-roads"' in html
    assert 'id="show-outlines"' not in html
    assert 'd="M1.0 2.0L3.0 4.0"' in html


def test_outlines_are_closed():
    assert 'd="M1.0 2.0L3.0 4.0L5.0 6.0Z"' in map_figure(
        MapView(IMAGE, outlines=[np.array([[1.0, 2], [3, 4], [5, 6]])])
    )


@pytest.mark.parametrize(("pixel_m", "text"), [(1.0, "20 m"), (0.3, "5 m"), (10.0, "200 m"), (100.0, "2 km")])
def test_the_scale_bar_is_a_round_length(pixel_m, text):
    assert f">{text}</text>" in map_figure(MapView(IMAGE, pixel_m=pixel_m))


def test_without_metres_there_is_no_scale_bar():
    assert "scale-bar" not in map_figure(MapView(IMAGE))


def test_the_area_of_each_class_is_listed():
    html = map_figure(
        MapView(IMAGE, areas=[ClassArea("a<b", (1, 2, 3), 0.25, 12345.6), ClassArea("c", (4, 5, 6), 0.75, None)])
    )

    assert "a&lt;b" in html
    assert "12,346 ha" in html
    assert "75.0%" in html
