"""From an upload to its map, in the worker process: look at the header, make a plain copy, predict, measure."""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TextIO

from overland.bundle import ModelBundle, load_bundle
from overland.errors import DataError, OverlandError, ResourceError
from overland.inference import Engine, check_scene, open_engine, wants_palette_colors
from overland.raster import open_scene, write_class_map
from overland.raster.plain_copy import ImageFacts, read_facts, write_plain_copy
from overland.web.jobs.limits import RefusedError
from overland.web.sandbox.hardening import harden_process, limit_memory
from overland.workflows.areas import measure_areas
from overland.workflows.predict import predict
from overland.workflows.vectorize import vectorize

__all__ = [
    "PRODUCTS",
    "main",
    "make_product",
    "map_image",
]


# Files that are made of a finished map on demand, each by the workflow that the command line uses.

_LARGEST_PICTURE = 50_000_000


def _picture(folder: Path, path: Path) -> None:
    with open_scene(folder / "mask.tif") as scene:
        if scene.height * scene.width > _LARGEST_PICTURE:
            raise RefusedError(422, "Too large for PNG", "The map is too large for a PNG; take mask.tif.")
        pixels, _ = scene.read(bands=[1])
        legend, grid = scene.legend, scene.grid
    assert legend is not None, "a mask that predict wrote has a legend"
    write_class_map(path, pixels[0], grid, legend, overwrite=True)


def _vectors(kind: str) -> Callable[[Path, Path], None]:
    def make(folder: Path, path: Path) -> None:
        scores = folder / "scores.tif"
        vectorize(
            folder / "mask.tif", path, kind=kind, scores=scores if scores.exists() else None, overwrite=True
        )  # fmt: skip

    return make


def _areas(folder: Path, path: Path) -> None:
    values = measure_areas(folder / "mask.tif")
    path.write_text(json.dumps({key: values[key] for key in ("crs", "units", "classes")}), encoding="utf-8")


_MAKERS = {
    "mask.png": _picture,
    "areas.json": _areas,
    "polygons.geojson": _vectors("polygons"),
    "polygons.gpkg": _vectors("polygons"),
    "roads.geojson": _vectors("roads"),
    "roads.gpkg": _vectors("roads"),
}
PRODUCTS = tuple(_MAKERS)


def make_product(folder: Path, name: str) -> None:
    """Make one of `PRODUCTS` of the map in a folder, whole or not at all; one that is there stays as it is."""
    path = folder / name
    if path.exists():
        return
    with tempfile.TemporaryDirectory(dir=folder, prefix="making-") as making:
        part = Path(making) / name
        _MAKERS[name](folder, part)
        part.replace(path)


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
    return values | {"image": _place(image), "areas": _areas_mapping(mask)}


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


def _areas_mapping(mask: Path) -> Values | None:
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


# The worker process: the only one that opens what strangers send. One JSON object a line in, one or more out.
#
# It is started as `python -m overland.web.sandbox.worker` with the environment of `overland.web.sandbox.hardening`, takes one request at
# a time on stdin and ends when stdin does. Its answers are data, never code: the server trusts none of them further.

_OUT_OF_MEMORY = 5


def main() -> None:
    """Serve requests until stdin ends."""
    harden_process()
    answers = _private_stdout()
    limit_memory(int(sys.argv[1]))
    requests = _requests_or_exit()
    _say(answers, {"ready": True})
    while True:
        try:
            _say(answers, _answer(requests.get(), answers))
        except MemoryError:
            # What is left of the memory is in pieces; a fresh process has all of it.
            _say(answers, {"refused": _out_of_memory().to_dict(), "is_last": True})
            os._exit(_OUT_OF_MEMORY)


def _private_stdout() -> TextIO:
    # C libraries print where they like; what they print must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    return answers


def _requests_or_exit() -> SimpleQueue[Values]:
    """Requests as they come; when the server is gone, in whatever way, so is this process."""
    requests: SimpleQueue[Values] = SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            requests.put(json.loads(line))
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    return requests


def _say(answers: TextIO, values: Values) -> None:
    answers.write(json.dumps(values) + "\n")
    answers.flush()


def _answer(request: Values, answers: TextIO) -> Values:
    folder = Path(request["folder"])
    try:
        values = _map(request, answers) if request["task"] == "map" else {}
        for name in request["products"]:
            make_product(folder, name)
        return {"done": values}
    except RefusedError as error:
        return {"refused": error.to_dict()}
    except ResourceError as error:
        if _is_of_memory(error):
            raise MemoryError from error
        return {"refused": RefusedError(503, "No room", "The server's disk is full; try again later.").to_dict()}
    except OverlandError as error:
        return {"refused": RefusedError(422, "Image cannot be mapped", _for_strangers(str(error), folder)).to_dict()}
    except MemoryError:
        raise
    except Exception as error:
        if _is_of_memory(error):
            raise MemoryError from error
        traceback.print_exc()
        return {"refused": RefusedError(500, "Fault", "A fault of the server; its log says more.").to_dict()}


def _map(request: Values, answers: TextIO) -> Values:
    return map_image(request, request["limits"], lambda done, total: _say(answers, {"progress": done / total}))


def _is_of_memory(error: Exception) -> bool:
    # Libraries say in many ways that they got no memory, for threads of theirs too; numpy at times says nothing.
    return isinstance(error, SystemError) or re.search("alloc|out of memory|PosixThread", str(error)) is not None


def _out_of_memory() -> RefusedError:
    return RefusedError(422, "Too much work", "The image needs more memory than is allowed here; send a part of it.")


def _for_strangers(message: str, folder: Path) -> str:
    """The message without our paths and without options of the command line."""
    message = re.sub(rf"{re.escape(str(folder))}/(upload|image\.tif)(, |: )?", _name_of, message)
    message = message.replace(f"{folder}/", "")
    return re.sub(r"-b (?=\d)", "bands=", message).replace("-b names", "bands names")


def _name_of(match: re.Match[str]) -> str:
    return "The image" + (match[2] or "")


if __name__ == "__main__":
    main()
