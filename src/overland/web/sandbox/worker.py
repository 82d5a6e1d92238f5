"""The worker process: the only one that opens uploads. It maps an image, or makes one more file of a map.

It is started as `python -m overland.web.sandbox.worker MEMORY_MB [--background]` with the environment of
`overland.web.sandbox.hardening`. It takes one JSON object a line on stdin, answers with one or more on stdout and ends
when stdin does. Its answers are data, never code: the server trusts none of them further.
"""

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
from typing import Any, Literal, TextIO

from overland.bundle import ModelBundle, load_bundle
from overland.errors import DataError, OverlandError, ResourceError
from overland.inference import Engine, check_scene, open_engine, wants_palette_colors
from overland.raster import open_scene, write_class_map
from overland.raster.plain_copy import ImageFacts, read_facts, write_plain_copy
from overland.web.refusals import TooLargeError, UnusableError, refusal_of
from overland.web.sandbox.hardening import harden_process, limit_memory, run_in_background
from overland.workflows.areas import areas
from overland.workflows.predict import predict
from overland.workflows.vectorize import vectorize

__all__ = ["DOWNLOADS", "IS_LARGE", "main", "make_download", "map_image"]

Values = dict[str, Any]

IS_LARGE = {"is_large": True}
"""The answer to a request for a small image when the image is a large one."""

_OUT_OF_MEMORY_CODE = 5
_OUT_OF_MEMORY = "alloc|out of memory|PosixThread|start new thread"


def main() -> None:
    """Serve requests until stdin ends."""
    harden_process()
    # C libraries print where they like; what they print must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    limit_memory(int(sys.argv[1]))
    if "--background" in sys.argv[2:]:
        run_in_background()
    requests: SimpleQueue[Values] = SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            requests.put(json.loads(line))
        # When the server is gone, in whatever way, so is this process.
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    _say(answers, {"ready": True})
    while True:
        try:
            _say(answers, _answer(requests.get(), answers))
        except MemoryError as error:
            # What is left of the memory is in pieces; a fresh process has all of it.
            _say(answers, {"refused": refusal_of(error).to_dict(), "is_last": True})
            os._exit(_OUT_OF_MEMORY_CODE)


def _say(answers: TextIO, values: Values) -> None:
    answers.write(json.dumps(values) + "\n")
    answers.flush()


def _answer(request: Values, answers: TextIO) -> Values:
    folder = Path(request["folder"])
    try:
        values: Values = {}
        if request["task"] == "map":
            values = map_image(
                request, request["limits"], lambda done, total: _say(answers, {"progress": done / total})
            )
        if values != IS_LARGE:
            for name in request["downloads"]:
                make_download(folder, name)
        return {"done": values}
    except OverlandError as error:
        if isinstance(error, ResourceError) and _is_of_memory(error):
            raise MemoryError from error
        if "--max-memory" in str(error):
            # The smallest window of the model takes more than the worker may have.
            return {"refused": refusal_of(MemoryError()).to_dict()}
        # Clients see neither the server's paths nor options of the command line.
        message = re.sub(
            rf"{re.escape(str(folder))}/(upload|image\.tif)(, |: )?",
            lambda match: "The image" + (match[2] or ""),
            str(error),
        )
        message = re.sub(r"-b (?=\d)", "bands=", message.replace(f"{folder}/", ""))
        return {"refused": refusal_of(error, message.replace("-b names", "bands names")).to_dict()}
    except MemoryError:
        raise
    except Exception as error:
        if _is_of_memory(error):
            raise MemoryError from error
        traceback.print_exc()
        return {"refused": refusal_of(error).to_dict()}


def _is_of_memory(error: Exception) -> bool:
    # Libraries say in many ways that they got no memory, for threads of theirs too; numpy at times says nothing.
    return isinstance(error, SystemError) or re.search(_OUT_OF_MEMORY, str(error)) is not None


# An upload becomes a map: look at its header, make a plain copy, predict, measure.

# Memory grows with the width of a scene, and no camera takes such strips.
_LONGEST_SIDE = 200_000
# A block is decoded whole, and copied while that is done.
_BLOCK_FRACTION = 1 / 4
# `predict` counts interpreter and libraries, the limit of a worker does not.
_LIBRARIES_MB = 300
# An animation says so in a chunk that stands before the image's data.
_PNG_HEAD = 1 << 16
_PRIVATE = ("output", "scenes", "peak_memory_mb", "model", "mask", "probabilities", "confidence")


def map_image(
    request: Mapping[str, Any], limits: Mapping[str, Any], on_progress: Callable[[float, float], None]
) -> Values:
    """Map the `upload` in a job's folder to `mask.tif` and `probabilities.tif`; the model sees its copy `image.tif`.

    The upload is opened as the format of its first bytes alone, its size is looked at before a pixel is read, and it is
    removed once it has been copied.

    Args:
        request: `model` and `folder` (paths), `driver`, `options`; see `overland.web.sandbox.tasks.MapTask`.
        limits: `max_pixels`, `max_bands`, `memory_mb`, `advice`, and `small_pixels`, above which an image is handed
            back; None for no such bound.
        on_progress: Called with the megapixels done and the total.

    Returns:
        Size and place of the image, fractions and areas of the classes, speed; or `IS_LARGE` alone.

    Raises:
        RefusedError: The image is beyond the limits.
        OverlandError: It cannot be read, or does not fit the model.
    """
    bundle, folder = _bundle(request["model"]), Path(request["folder"])
    upload, image = folder / "upload", folder / "image.tif"
    # A job that is resumed has its plain copy, and the upload may be gone.
    facts = read_facts(image, "GTiff") if image.exists() else read_facts(upload, request["driver"])
    _check_facts(facts, limits)
    if limits["small_pixels"] is not None and facts.height * facts.width > limits["small_pixels"]:
        return dict(IS_LARGE)
    if not image.exists():
        driver = request["driver"]
        if driver == "PNG":
            with upload.open("rb") as file:
                head, _, _ = file.read(_PNG_HEAD).partition(b"IDAT")
            if b"acTL" in head:
                raise UnusableError("The PNG is an animation; send one of its pictures.", title="Several images")
        part = image.with_name("image.part")
        with open_scene(upload, expand_palette=wants_palette_colors(bundle), driver=driver) as scene:
            write_plain_copy(scene, part, check_scene(bundle, scene, request["options"]["bands"]))
        part.replace(image)
    upload.unlink(missing_ok=True)
    return _predict(bundle, image, request["options"], limits["memory_mb"], on_progress)


def _check_facts(facts: ImageFacts, limits: Mapping[str, Any]) -> None:
    size = f"The image has {facts.width} x {facts.height} pixels"
    block_mb = facts.block_bytes / 1e6
    if facts.pages > 1:
        raise UnusableError(
            f"The file holds {facts.pages} images; send one, as a file of its own.", title="Several images"
        )
    if facts.height * facts.width > limits["max_pixels"]:
        allowed = f"{limits['max_pixels'] / 1e6:.4g} million are allowed here"
        raise TooLargeError(f"{size}; {allowed}. {limits['advice']}")
    if max(facts.height, facts.width) > _LONGEST_SIDE:
        raise TooLargeError(f"{size}; {_LONGEST_SIDE:,} a side at most. {limits['advice']}", title="Image too long")
    if facts.count > limits["max_bands"]:
        raise UnusableError(
            f"The image has {facts.count} bands; {limits['max_bands']} at most.", title="Too many bands"
        )
    if block_mb > limits["memory_mb"] * _BLOCK_FRACTION:
        raise UnusableError(f"{size} in blocks of {block_mb:.4g} MB; write it in tiles of 512.", title="Large blocks")


def _predict(
    bundle: ModelBundle,
    image: Path,
    options: Mapping[str, Any],
    memory_mb: int,
    on_progress: Callable[[float, float], None],
) -> Values:
    mask = image.with_name("mask.tif")
    found = predict(
        bundle,
        image,
        mask,
        probabilities=image.with_name("probabilities.tif") if options["probabilities"] else None,
        threshold=options["threshold"],
        tta=options["tta"],
        engine=_engine(str(bundle.path)),
        max_memory=memory_mb + _LIBRARIES_MB,
        overwrite=True,
        on_progress=on_progress,
    )
    with open_scene(image) as scene:
        grid = scene.grid
    place = {
        "height": grid.height,
        "width": grid.width,
        "crs": grid.crs,
        "bounds": list(grid.bounds) if grid.is_georeferenced else None,
        "resolution_m": grid.resolution_m,
    }
    try:
        measured = areas(mask).to_dict()
        of_classes = {"units": measured["units"], "classes": measured["classes"]}
    except DataError:
        # The image holds no data, so the map holds no class.
        of_classes = None
    values = {key: value for key, value in found.to_dict().items() if key not in _PRIVATE}
    return values | {"image": place, "areas": of_classes}


@lru_cache
def _bundle(path: str) -> ModelBundle:
    return load_bundle(path)


@lru_cache
def _engine(path: str) -> Engine:
    return open_engine(_bundle(path), "onnx")


# Downloads: files that are made of a finished map on demand, each by the workflow that the command line uses.

_LARGEST_PICTURE = 50_000_000


def _picture(folder: Path, path: Path) -> None:
    with open_scene(folder / "mask.tif") as scene:
        if scene.height * scene.width > _LARGEST_PICTURE:
            raise UnusableError("The map is too large for a PNG; take mask.tif.", title="Too large for PNG")
        pixels, _ = scene.read(bands=[1])
        legend, grid = scene.legend, scene.grid
    assert legend is not None, "a mask that predict wrote has a legend"
    write_class_map(path, pixels[0], grid, legend, overwrite=True)


def _areas(folder: Path, path: Path) -> None:
    values = areas(folder / "mask.tif").to_dict()
    path.write_text(json.dumps({key: values[key] for key in ("crs", "units", "classes")}), encoding="utf-8")


def _vectors(kind: Literal["polygons", "roads"]) -> Callable[[Path, Path], None]:
    def make(folder: Path, path: Path) -> None:
        probabilities = folder / "probabilities.tif"
        vectorize(
            folder / "mask.tif",
            path,
            kind=kind,
            probabilities=probabilities if probabilities.exists() else None,
            overwrite=True,
        )

    return make


_MAKERS = {
    "mask.png": _picture,
    "areas.json": _areas,
    "polygons.geojson": _vectors("polygons"),
    "polygons.gpkg": _vectors("polygons"),
    "roads.geojson": _vectors("roads"),
    "roads.gpkg": _vectors("roads"),
}
DOWNLOADS = tuple(_MAKERS)
"""Names of the files that can be made of a map."""


def make_download(folder: Path, name: str) -> None:
    """Make a file of the map in a job's folder, whole or not at all; one that is there stays.

    Args:
        folder: The job's folder, with `mask.tif`.
        name: One of `DOWNLOADS`.
    """
    path = folder / name
    if path.exists():
        return
    with tempfile.TemporaryDirectory(dir=folder, prefix="making-") as making:
        part = Path(making) / name
        _MAKERS[name](folder, part)
        part.replace(path)


if __name__ == "__main__":
    main()
