from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from overland.web.app.results import MappedImage, MapState
from overland.web.app.viewer import data_uri, image_picture, map_picture, mercator_of, overlay_png, read_drawing


def decoded(uri: str) -> Image.Image:
    head, _, body = uri.partition(",")
    assert head.startswith("data:image/")
    return Image.open(io.BytesIO(base64.b64decode(body)))


def test_classes_that_are_not_shown_are_transparent(result: MappedImage) -> None:
    state = MapState(result)
    road = map_picture(state, (1,))
    assert road[32, 5].tolist() == [*result.legend.colors[1], 255]
    assert road[5, 5, 3] == 0
    assert map_picture(state, ())[..., 3].max() == 0
    assert map_picture(state, (0, 1))[5, 5, 3] == 255


def test_overlay_shows_the_image_through(result: MappedImage) -> None:
    state = MapState(result)
    picture = np.asarray(Image.open(io.BytesIO(overlay_png(state, (1,), 0.5))))
    expected = (np.array(result.legend.colors[1]) + 220) / 2
    assert np.abs(picture[32, 5] - expected).max() <= 2
    assert picture[5, 5].tolist() == [40, 40, 40]
    # The picture that is kept for the page is not the one that was blended.
    assert map_picture(state, (1,))[32, 5, 3] == 255


def test_pictures_travel_in_the_page(result: MappedImage) -> None:
    assert decoded(data_uri(image_picture(result))).size == (128, 96)
    web = mercator_of(result)
    on_map = decoded(data_uri(image_picture(result), web))
    assert on_map.mode == "RGBA"
    assert on_map.size == web.shape[::-1]


def test_roads_are_drawn_where_they_are(result: MappedImage) -> None:
    drawing = read_drawing(MapState(result), "roads", on_map=False)
    assert drawing.is_whole
    ys = np.concatenate([line["points"][1::2] for line in drawing.lines])
    assert np.abs(np.median(ys) - 33) < 1.5
    outlines = read_drawing(MapState(result), "polygons", on_map=True)
    assert outlines.lines
    assert all(line["isOutline"] for line in outlines.lines)
