"""Upload check: an upload is copied to a file of our own, its bytes counted and the first of them looked at.

Nothing here decodes anything: the server's process never opens an upload as an image.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from overland.web.refusals import NotAnImageError, RefusedError, TooLargeError, UnusableError

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
    """Copy an upload to a file.

    Args:
        image: The upload, read to its end.
        path: A new file; it is not removed when the upload is refused.
        max_bytes: Largest upload in bytes.

    Returns:
        GDAL's name of the only format that it may be opened as.

    Raises:
        TooLargeError: It has more bytes.
        NotAnImageError: Its first bytes are not those of PNG, JPEG or TIFF.
        UnusableError: It is empty.
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
        raise UnusableError("The upload has 0 bytes; send a PNG, JPEG or GeoTIFF.", title="Empty upload")
    return driver


def too_large(max_bytes: int) -> RefusedError:
    """Return the refusal of an upload that has too many bytes.

    Args:
        max_bytes: Largest upload in bytes.
    """
    return TooLargeError(
        f"The upload is larger than the {max_bytes / 1e6:.4g} MB that are allowed here; send a part of the scene.",
        title="Upload too large",
    )


def driver_from_magic(head: bytes) -> str:
    """Return GDAL's name of the format of a file.

    Args:
        head: Its first bytes, 16 are enough.

    Raises:
        NotAnImageError: It is neither PNG, JPEG nor TIFF.
    """
    for magic, driver in _DRIVERS.items():
        if head.startswith(magic):
            return driver
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    found = next((kind for magic, kind in _OTHERS.items() if head.startswith(magic) or text.startswith(magic)), None)
    detail = "The upload is neither PNG, JPEG nor TIFF, whatever its name is"
    raise NotAnImageError(f"{detail}: it looks like {found}." if found else f"{detail}.")
