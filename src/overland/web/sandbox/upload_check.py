"""The door: an upload copied to a file of our own, its size counted as it comes and its first bytes looked at.

Nothing here decodes anything: the server's process never opens an upload as an image.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from overland.web.jobs.limits import RefusedError

__all__ = ["driver_from_magic", "receive", "too_large"]

_CHUNK = 1 << 18
# GDAL's name of the only format that a file with these first bytes may be opened as.
_DRIVERS = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"II*\x00": "GTiff",
    b"MM\x00*": "GTiff",
    b"II+\x00\x08\x00\x00\x00": "GTiff",
    b"MM\x00+\x00\x08\x00\x00": "GTiff",
}
_OTHERS = {
    b"PK": "a ZIP archive; send the image in it",
    b"\x1f\x8b": "a gzip archive; send the image in it",
    b"%PDF": "a PDF",
    b"GIF8": "a GIF; save it as PNG",
    b"BM": "a BMP; save it as PNG",
    b"RIFF": "a WebP; save it as PNG",
    b"\x00\x00\x00\x0cjP": "JPEG 2000; convert it to GeoTIFF",
    b"\x89HDF": "HDF5 or netCDF; convert it to GeoTIFF",
    b"<": "text such as XML or HTML, and a file that names other files is never opened",
}


def receive(image: BinaryIO, path: Path, max_bytes: int) -> str:
    """Copy an upload to a file and give the name of GDAL's driver for it.

    Raises `RefusedError`: 413 when it is larger than `max_bytes`, 415 when its first bytes are not those of PNG, JPEG
    or TIFF, 422 when it is empty. The copy is not removed then.
    """
    total, driver = 0, None
    with path.open("xb") as file:
        while chunk := image.read(_CHUNK):
            driver = driver or driver_from_magic(chunk[:16])
            total += len(chunk)
            if total > max_bytes:
                raise too_large(max_bytes)
            file.write(chunk)
    if driver is None:
        raise RefusedError(422, "Empty upload", "The upload has 0 bytes; send a PNG, JPEG or GeoTIFF.")
    return driver


def too_large(max_bytes: int) -> RefusedError:
    """The refusal of an upload that has too many bytes."""
    return RefusedError(
        413,
        "Upload too large",
        f"The upload is larger than the {max_bytes / 1e6:.4g} MB that are allowed here; send a part of the scene.",
    )


def driver_from_magic(head: bytes) -> str:
    """GDAL's driver for a file that begins so. Raises `RefusedError` 415 for what is no PNG, JPEG or TIFF."""
    for magic, driver in _DRIVERS.items():
        if head.startswith(magic):
            return driver
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    found = next((what for magic, what in _OTHERS.items() if head.startswith(magic) or text.startswith(magic)), None)
    detail = "The upload is neither PNG, JPEG nor TIFF, whatever its name is"
    raise RefusedError(415, "Not an image", f"{detail}: it looks like {found}." if found else f"{detail}.")
