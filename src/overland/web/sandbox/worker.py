"""From an upload to its map, in the worker process: look at the header, make a plain copy, predict, measure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from overland.bundle import ModelBundle, load_bundle
from overland.errors import DataError
from overland.inference import Engine, check_scene, open_engine, wants_palette_colors
from overland.raster import open_scene
from overland.raster.plain import ImageFacts, read_facts, write_plain_copy
from overland.web.errors import RefusedError
from overland.workflows.areas import measure_areas
from overland.workflows.predict import predict

__all__ = ["map_image"]

# Memory grows with the width of a scene, and no camera takes such strips.
_LONGEST_SIDE = 200_000
# A block is decoded whole, and copied while that is done.
_BLOCK_SHARE = 1 / 4
# An animation says so in a chunk that stands before the image's data.
_PNG_HEAD = 1 << 16
_PRIVATE = ("output", "scenes", "peak_memory_mb", "model")

Values = dict[str, Any]


def map_image(
    request: Mapping[str, Any], limits: Mapping[str, Any], on_progress: Callable[[float, float], None]
) -> Values:
    """Map the `upload` in a job's folder: `image.tif` is what the model sees, `mask.tif` and `scores.tif` the map.

    The upload is opened as the format of its first bytes alone, its size is looked at before a pixel is read, and it is
    removed once it has been copied. Raises `RefusedError` for one that is beyond the limits, `OverlandError` for one
    that cannot be read or does not fit the model.
    """
    bundle, folder = _bundle(request["model"]), Path(request["folder"])
    upload, image = folder / "upload", folder / "image.tif"
    # A job that is taken up again has its plain copy, and the upload may be gone.
    if not image.exists():
        _check_facts(read_facts(upload, request["driver"]), limits)
        _copy(bundle, upload, request["driver"], image, request["options"]["bands"])
    upload.unlink(missing_ok=True)
    return _predict(bundle, image, request["options"], limits["memory_mb"], on_progress)


def _check_facts(facts: ImageFacts, limits: Mapping[str, Any]) -> None:
    size = f"The image has {facts.width} x {facts.height} pixels"
    block_mb = facts.block_bytes / 1e6
    if facts.pages > 1:
        raise RefusedError(
            422, "Several images", f"The file holds {facts.pages} images; send one, as a file of its own."
        )
    if facts.height * facts.width > limits["max_pixels"]:
        allowed = f"{limits['max_pixels'] / 1e6:.4g} million are allowed here"
        raise RefusedError(413, "Image too large", f"{size}; {allowed}. {limits['advice']}")
    if max(facts.height, facts.width) > _LONGEST_SIDE:
        raise RefusedError(413, "Image too long", f"{size}; {_LONGEST_SIDE:,} a side at most. {limits['advice']}")
    if facts.count > limits["max_bands"]:
        raise RefusedError(422, "Too many bands", f"The image has {facts.count} bands; {limits['max_bands']} at most.")
    if block_mb > limits["memory_mb"] * _BLOCK_SHARE:
        raise RefusedError(422, "Blocks too large", f"{size} in blocks of {block_mb:.4g} MB; write it in tiles of 512.")


def _copy(bundle: ModelBundle, upload: Path, driver: str, image: Path, bands: list[int] | None) -> None:
    if driver == "PNG":
        _check_still(upload)
    part = image.with_name("image.part")
    with open_scene(upload, expand_palette=wants_palette_colors(bundle), driver=driver) as scene:
        write_plain_copy(scene, part, check_scene(bundle, scene, bands))
    part.replace(image)


def _check_still(upload: Path) -> None:
    with upload.open("rb") as file:
        head, _, _ = file.read(_PNG_HEAD).partition(b"IDAT")
    if b"acTL" in head:
        raise RefusedError(422, "Several images", "The PNG is an animation; send one of its pictures.")


def _predict(
    bundle: ModelBundle,
    image: Path,
    options: Mapping[str, Any],
    memory_mb: int,
    on_progress: Callable[[float, float], None],
) -> Values:
    mask, scores = image.with_name("mask.tif"), image.with_name("scores.tif")
    found = predict(
        bundle,
        image,
        mask,
        scores=scores if options["scores"] else None,
        threshold=options["threshold"],
        tta=options["tta"],
        engine=_engine(str(bundle.path)),
        max_memory=memory_mb,
        overwrite=True,
        on_progress=on_progress,
    )
    values = {key: value for key, value in found.items() if key not in _PRIVATE}
    return values | {"image": _place(image), "areas": _areas(mask)}


def _place(image: Path) -> Values:
    with open_scene(image) as scene:
        grid = scene.grid
        return {
            "height": grid.height,
            "width": grid.width,
            "crs": grid.crs,
            "bounds": list(grid.bounds) if grid.is_georeferenced else None,
            "resolution_m": grid.resolution_m,
        }


def _areas(mask: Path) -> Values | None:
    """Areas of the classes; None where the map holds none because the image holds no data."""
    try:
        values = measure_areas(mask)
    except DataError:
        return None
    return {"units": values["units"], "classes": values["classes"]}


@lru_cache
def _bundle(path: str) -> ModelBundle:
    return load_bundle(path)


@lru_cache
def _engine(path: str) -> Engine:
    return open_engine(_bundle(path), "onnx")
