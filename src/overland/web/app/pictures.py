"""Pictures of a result for the eye: the image and the class map, reduced, as the page's viewer takes them."""

from __future__ import annotations

import base64
import io
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from overland.raster import open_scene
from overland.report.overview import overview_of_scene, overview_step, shares_of_mask
from overland.web.app.mercator import MercatorGrid, mercator_grid, warped
from overland.web.app.results import MapState, Result

__all__ = ["data_uri", "image_picture", "map_picture", "mercator_of", "overlay_png", "picture_step"]

_SIDE = 1400
_PREVIEW_SIDE = 560
_JPEG_QUALITY = 86

Picture = npt.NDArray[np.uint8]


def picture_step(result: Result, side: int = _SIDE) -> int:
    """How many pixels of the image along each axis become one in a picture."""
    return overview_step(result.grid, side)


def image_picture(result: Result) -> Picture:
    """The image as RGB (height, width, 3)."""

    def make() -> Picture:
        with open_scene(result.image, expand_palette=True) as scene:
            return overview_of_scene(scene, picture_step(result))

    picture: Picture = result.pictures.once("image", make)
    return picture


def map_picture(state: MapState, shown: Collection[int], *, preview: bool = False) -> Picture:
    """The class map as RGBA (height, width, 4) with the classes `shown` alone."""
    result = state.result

    def make() -> dict[int, Picture]:
        with open_scene(state.mask) as scene:
            return shares_of_mask(scene, picture_step(result, _PREVIEW_SIDE if preview else _SIDE))

    # The map is gone through once; which classes are shown is then decided on the picture.
    shares: dict[int, Picture] = result.pictures.once(f"shares {state.key} {preview}", make)
    return _blended({index: share for index, share in shares.items() if index in shown}, result)


def _blended(shares: Mapping[int, Picture], result: Result) -> Picture:
    shape = next((share.shape for share in shares.values()), image_picture(result).shape[:2])
    total = np.zeros(shape, np.float32)
    colors = np.zeros((*shape, 3), np.float32)
    for index, share in shares.items():
        total += share
        colors += share[..., None] * np.array(result.legend.colors[index], np.float32)
    colors /= np.maximum(total, 1)[..., None]
    picture: Picture = np.rint(np.concatenate([colors, np.minimum(total, 255)[..., None]], axis=2)).astype(np.uint8)
    return picture


def mercator_of(result: Result) -> MercatorGrid:
    """The Web Mercator grid on which the pictures of a georeferenced result are shown."""
    grid: MercatorGrid = result.pictures.once("mercator", lambda: mercator_grid(result.grid, picture_step(result)))
    return grid


def data_uri(picture: Picture, mercator: MercatorGrid | None = None) -> str:
    """A picture to stand in the page, JPEG for RGB and PNG for RGBA; warped where a grid is given."""
    if mercator is not None:
        picture = warped(picture, mercator)
    is_opaque = picture.shape[2] == 3
    options: dict[str, Any] = {"quality": _JPEG_QUALITY} if is_opaque else {"compress_level": 4}
    kind = "JPEG" if is_opaque else "PNG"
    return f"data:image/{kind.lower()};base64,{base64.b64encode(_encoded(picture, kind, options)).decode('ascii')}"


def overlay_png(state: MapState, shown: Collection[int], opacity: float) -> bytes:
    """The image with the map over it, as the page shows it, as PNG."""
    image = Image.fromarray(image_picture(state.result)).convert("RGBA")
    overlay = map_picture(state, shown).copy()
    overlay[..., 3] = np.rint(overlay[..., 3] * opacity).astype(np.uint8)
    image.alpha_composite(Image.fromarray(overlay))
    return _encoded(np.asarray(image.convert("RGB")), "PNG", {})


def _encoded(picture: Picture, kind: str, options: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format=kind, **options)
    return buffer.getvalue()
