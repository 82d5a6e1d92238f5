"""Which raster it is: enough of it to notice that an input has changed since a run was broken off."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rasterio.windows import Window as RasterioWindow

from overland.raster.remote import is_remote, web_identity

__all__ = ["file_identity"]

# QGIS writes these beside a raster when somebody looks at it.
_COMPANIONS = (".aux.xml", ".ovr")
_MOST_BLOCKS = 100_000
_SAMPLE = 256


def file_identity(path: str, dataset: Any) -> str:
    """Size and time of the files that a dataset is read from; of one on a server what that tells, or a sample of it."""
    if is_remote(path):
        return web_identity(path) or f"sample {_sample(dataset)}"
    files = [Path(name) for name in dataset.files if Path(name).is_file() and not name.endswith(_COMPANIONS)]
    if len(files) == 1:
        return _stamp(files[0])
    digest = hashlib.sha256("\n".join(f"{file} {_stamp(file)}" for file in files).encode())
    return f"{len(files)} files, {digest.hexdigest()[:16]}"


def _stamp(file: Path) -> str:
    status = file.stat()
    # Nanoseconds, because a file can be written twice in one second.
    moment = datetime.fromtimestamp(status.st_mtime_ns // 10**9, UTC)
    return f"{status.st_size} bytes of {moment:%Y-%m-%d %H:%M:%S}.{status.st_mtime_ns % 10**9:09d}"


def _sample(dataset: Any) -> str:
    digest = hashlib.sha256()
    height, width = dataset.block_shapes[0]
    rows, cols = -(-dataset.height // height), -(-dataset.width // width)
    for index in range(min(rows * cols, _MOST_BLOCKS)):
        row, col = divmod(index, cols)
        # A TIFF tells where each block lies and how long it is: what is drawn anew is compressed to another length.
        for what in ("OFFSET", "SIZE"):
            digest.update(str(dataset.get_tag_item(f"BLOCK_{what}_{col}_{row}", "TIFF", bidx=1)).encode())
    middle = RasterioWindow(dataset.width // 2, dataset.height // 2, _SAMPLE, _SAMPLE)
    inside = middle.intersection(RasterioWindow(0, 0, dataset.width, dataset.height))
    digest.update(dataset.read(window=inside).tobytes())
    return digest.hexdigest()[:16]
