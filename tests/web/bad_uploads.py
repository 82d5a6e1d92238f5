"""Uploads that strangers might send, made by code: what is no image, what is a broken one, what is a trap.

Each says which HTTP statuses are right for a model of three uint8 bands; 200 stands for an image that is in truth fine.
"""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image
from rasterio.io import MemoryFile

__all__ = ["BadUpload", "bad_uploads", "good_png", "good_tiff"]

_NO_IMAGE = (415,)
_BROKEN = (422,)
_TOO_LARGE = (413,)
_FINE = (200,)


@dataclass(frozen=True)
class BadUpload:
    """One upload: a name for the test, the name that it is sent with, its bytes, and the statuses that are right."""

    id: str
    filename: str
    data: bytes
    statuses: tuple[int, ...]


def bad_uploads(url: str, secret: Path) -> list[BadUpload]:
    """The corpus. `url` is an address that nothing may call, `secret` a local raster that nothing may read."""
    makers = (_not_images(url, secret), _damaged(), _traps(), _unusual(), _names())
    uploads = [BadUpload(*case) for maker in makers for case in maker]
    assert len({upload.id for upload in uploads}) == len(uploads), "ids are unique"
    return uploads


Case = tuple[str, str, bytes, tuple[int, ...]]


def _not_images(url: str, secret: Path) -> Iterator[Case]:
    vrt = (
        '<VRTDataset rasterXSize="16" rasterYSize="16"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
        "<SourceFilename>{}</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    wms = (
        f'<GDAL_WMS><Service name="TMS"><ServerUrl>{url}/${{z}}/${{x}}/${{y}}.png</ServerUrl></Service>'
        "<DataWindow><SizeX>64</SizeX><SizeY>64</SizeY></DataWindow><BandsCount>3</BandsCount></GDAL_WMS>"
    )
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("scene.tif", good_tiff())
    yield "empty", "scene.tif", b"", _BROKEN
    yield "one byte", "scene.tif", b"I", _NO_IMAGE
    yield "two bytes of a TIFF", "scene.tif", b"II", _NO_IMAGE
    yield "VRT that reads a local file", "scene.tif", vrt.format(secret).encode(), _NO_IMAGE
    yield "VRT that reads a URL", "scene.tif", vrt.format(f"/vsicurl/{url}/scene.tif").encode(), _NO_IMAGE
    yield "VRT after white space", "scene.tif", b"\n \t" + vrt.format(secret).encode(), _NO_IMAGE
    yield "VRT with a byte order mark", "scene.vrt", b"\xef\xbb\xbf" + vrt.format(secret).encode(), _NO_IMAGE
    yield "WMS", "scene.tif", wms.encode(), _NO_IMAGE
    yield (
        "XML with an external entity",
        "scene.tif",
        (f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file://{secret}">]><a>&b;</a>'.encode()),
        _NO_IMAGE,
    )
    yield "HTML", "scene.png", b"<!doctype html><script>alert(1)</script>", _NO_IMAGE
    yield "SVG", "scene.png", b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', _NO_IMAGE
    yield "ZIP", "scene.tif", archive.getvalue(), _NO_IMAGE
    yield "gzip", "scene.tif", gzip.compress(good_tiff()), _NO_IMAGE
    yield "PDF", "scene.tif", b"%PDF-1.7\n%junk", _NO_IMAGE
    yield "GIF", "scene.png", _saved("GIF"), _NO_IMAGE
    yield "BMP", "scene.png", _saved("BMP"), _NO_IMAGE
    yield "WebP", "scene.png", _saved("WEBP"), _NO_IMAGE
    yield "JSON that names a file", "scene.tif", b'{"type": "gdal_streamed_alg", "path": "/etc/passwd"}', _NO_IMAGE
    yield "path of another file", "scene.tif", str(secret).encode(), _NO_IMAGE
    yield "pickle", "scene.tif", b"\x80\x04cos\nsystem\n(S'true'\ntR.", _NO_IMAGE
    yield "NUL bytes", "scene.tif", bytes(4096), _NO_IMAGE


def _damaged() -> Iterator[Case]:
    noise = np.random.default_rng(1).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    png, jpeg, tiff = (_encoded(noise, kind) for kind in ("PNG", "JPEG", "TIFF"))
    for share in (0.1, 0.5, 0.95):
        yield f"PNG cut at {share:.0%}", "scene.png", png[: int(len(png) * share)], _BROKEN
        yield f"JPEG cut at {share:.0%}", "scene.jpg", jpeg[: int(len(jpeg) * share)], _BROKEN
        yield f"TIFF cut at {share:.0%}", "scene.tif", tiff[: int(len(tiff) * share)], _BROKEN
    yield "PNG magic, then junk", "scene.png", b"\x89PNG\r\n\x1a\n" + b"junk" * 100, _BROKEN
    yield "JPEG magic, then junk", "scene.jpg", b"\xff\xd8\xff\xe0" + b"junk" * 100, _BROKEN
    yield "TIFF magic, then junk", "scene.tif", b"II*\0" + b"\1" * 1000, _BROKEN
    yield "BigTIFF magic, then junk", "scene.tif", b"II+\0\x08\0\0\0" + b"\1" * 1000, _BROKEN
    yield "magic alone", "scene.tif", b"MM\0*", _BROKEN
    yield "PNG with a wrong checksum in its data", "scene.png", _flipped(png, png.index(b"IDAT") + 40), _BROKEN
    yield "PNG of no width", "scene.png", _png(0, 8, 8, 0, b""), _BROKEN
    yield "TIFF without pixels", "scene.tif", _tiff({256: 8, 257: 8, 258: 8, 262: 1, 277: 1}), (200, 422)
    yield "TIFF of no height", "scene.tif", _tiff({256: 8, 257: 0, 258: 8, 262: 1, 273: 8, 277: 1, 279: 8}), _BROKEN
    yield "TIFF whose directory is itself", "scene.tif", _looped_tiff(), (200, 422)
    yield (
        "TIFF with strips beyond its end",
        "scene.tif",
        (_tiff({256: 64, 257: 64, 258: 8, 262: 2, 273: 10**9, 277: 3, 278: 64, 279: 12_288})),
        _BROKEN,
    )
    yield "two formats in one", "scene.png", png + tiff, _FINE


def _traps() -> Iterator[Case]:
    yield "PNG of 88 Mpx in 11 kB", "bomb.png", _png(9400, 9400, 1, 0, _zeros(9400 * (1 + 9400 // 8))), _TOO_LARGE
    yield "PNG that claims 2 billion columns", "bomb.png", _png(2**31 - 1, 2**31 - 1, 8, 2, b"x"), (413, 422)
    yield "JPEG that claims 4 Gpx", "bomb.jpg", _wide_jpeg(), _TOO_LARGE
    yield (
        "TIFF that claims 4 billion rows",
        "bomb.tif",
        (_tiff({256: 2**32 - 1, 257: 2**32 - 1, 258: 8, 262: 1, 273: 8, 277: 1, 279: 8})),
        (413, 422),
    )
    yield "sparse TIFF of 100 Mpx", "bomb.tif", _sparse_tiff(10_000, 10_000), _TOO_LARGE
    yield "TIFF of one row of 3 Mpx", "bomb.tif", _sparse_tiff(1, 3_000_000), (200, 413, 422)
    yield (
        "TIFF in tiles of 65,520 x 65,520",
        "bomb.tif",
        (_tiff({256: 64, 257: 64, 258: 8, 262: 1, 277: 1, 322: 65_520, 323: 65_520, 324: 8, 325: 8})),
        _BROKEN,
    )
    yield (
        "TIFF of 60,000 bands",
        "bomb.tif",
        (_tiff({256: 4, 257: 4, 258: 8, 262: 1, 273: 8, 277: 60_000, 278: 4, 279: 8})),
        _BROKEN,
    )
    yield "TIFF with XML that grows", "bomb.tif", _tiff_with_metadata(_laughs()), _FINE
    yield (
        "PNG with text of 100 MB in 100 kB",
        "bomb.png",
        _with_chunk(_saved("PNG"), b"zTXt", b"a\0\0" + _zeros(10**8)),
        _FINE,
    )


def _unusual() -> Iterator[Case]:
    image = np.random.default_rng(2).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    pictures = [Image.fromarray(image), Image.fromarray(255 - image)]
    yield "CMYK JPEG", "scene.jpg", _encoded(image, "JPEG", mode="CMYK"), _FINE
    yield "progressive JPEG", "scene.jpg", _encoded(image, "JPEG", progressive=True), _FINE
    yield "grey PNG", "scene.png", _encoded(image[..., 0], "PNG"), _BROKEN
    yield "palette PNG", "scene.png", _encoded(image, "PNG", mode="P"), _FINE
    yield "RGBA PNG", "scene.png", _encoded(image, "PNG", mode="RGBA"), _FINE
    yield "PNG named .tif", "scene.tif", _encoded(image, "PNG"), _FINE
    yield "black and white PNG", "scene.png", _encoded(image, "PNG", mode="1"), _BROKEN
    yield "16 bit PNG", "scene.png", _raster(np.full((3, 32, 32), 4000, np.uint16), "PNG"), _BROKEN
    yield "animated PNG", "scene.png", _saved_all(pictures, "PNG"), _BROKEN
    yield "TIFF of two pages", "scene.tif", _saved_all(pictures, "TIFF"), _BROKEN
    for dtype in ("int16", "uint16", "float32", "float64", "complex64"):
        yield f"TIFF of {dtype}", "scene.tif", _raster(np.ones((3, 32, 32), dtype)), _BROKEN
    yield "TIFF of NaN", "scene.tif", _raster(np.full((3, 32, 32), np.nan, np.float32)), _BROKEN
    yield "TIFF of one band", "scene.tif", _raster(np.ones((1, 32, 32), np.uint8)), _BROKEN
    yield "TIFF of five bands", "scene.tif", _raster(np.ones((5, 32, 32), np.uint8)), _BROKEN
    yield "TIFF of one pixel", "scene.tif", _raster(np.ones((3, 1, 1), np.uint8)), _FINE
    yield "TIFF all without data", "scene.tif", _raster(np.zeros((3, 32, 32), np.uint8), nodata=0), _FINE
    yield "TIFF that says HTML", "scene.tif", _tiff_with_metadata("<b onload=alert(1)>"), _FINE


def _names() -> Iterator[Case]:
    names = {
        "relative path": "../../../../tmp/overland-escaped.tif",
        "absolute path": "/tmp/overland-escaped.tif",
        "Windows path": "C:\\Windows\\overland-escaped.tif",
        "network path": "\\\\host\\share\\x.tif",
        "GDAL's network": "/vsicurl/http://127.0.0.1/x.tif",
        "NUL": "a\0b.tif",
        "line feed": "a\r\nSet-Cookie: b=c.tif",
        "very long": "x" * 900 + ".tif",
        "emoji": "🛰️🗺️.tif",
        "HTML": "<img src=x onerror=alert(1)>.tif",
        "dots": "..",
        "nothing": "",
    }
    for id, name in names.items():
        # A part of a form without a file name is a field, not a file.
        yield f"name: {id}", name, good_tiff(), _FINE if name else (200, 422)


def good_tiff() -> bytes:
    """A small image that is fine."""
    return _raster(np.random.default_rng(3).integers(0, 255, (3, 32, 48), dtype=np.uint8))


def good_png() -> bytes:
    """The same as a PNG."""
    return _saved("PNG")


def _saved(kind: str) -> bytes:
    return _encoded(np.random.default_rng(3).integers(0, 255, (32, 48, 3), dtype=np.uint8), kind)


def _encoded(pixels: np.ndarray, kind: str, mode: str | None = None, **options: object) -> bytes:
    image = Image.fromarray(pixels)
    file = io.BytesIO()
    (image if mode is None else image.convert(mode)).save(file, kind, **options)
    return file.getvalue()


def _saved_all(pictures: list[Image.Image], kind: str) -> bytes:
    file = io.BytesIO()
    pictures[0].save(file, kind, save_all=True, append_images=pictures[1:])
    return file.getvalue()


def _raster(pixels: np.ndarray, driver: str = "GTiff", nodata: float | None = None, **tags: str) -> bytes:
    count, height, width = pixels.shape
    # A transform, without which rasterio warns.
    place = {"transform": rasterio.Affine(1, 0, 500_000, 0, -1, 5_200_000), "crs": "EPSG:32633"}
    with MemoryFile() as memory:
        profile = {"driver": driver, "count": count, "height": height, "width": width, "dtype": pixels.dtype}
        with memory.open(**profile, **place, nodata=nodata) as dataset:
            dataset.write(pixels)
            dataset.update_tags(**tags)
        return bytes(memory.read())


def _tiff_with_metadata(text: str) -> bytes:
    pixels = np.random.default_rng(4).integers(0, 255, (3, 32, 48), dtype=np.uint8)
    return _raster(pixels, DESCRIPTION=text, TIFFTAG_IMAGEDESCRIPTION=text)


def _laughs() -> str:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    return f'<!DOCTYPE l [<!ENTITY l0 "ha">{entities}]><l>&l9;</l>'


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def _zeros(count: int) -> bytes:
    deflate = zlib.compressobj(9)
    block = bytes(1 << 20)
    parts = [deflate.compress(block[: min(len(block), count - done)]) for done in range(0, count, len(block))]
    return b"".join(parts) + deflate.flush()


def _png(width: int, height: int, bits: int, color: int, deflated: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", deflated), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _with_chunk(png: bytes, kind: bytes, data: bytes) -> bytes:
    after_header = 8 + 25
    return png[:after_header] + _chunk(kind, data) + png[after_header:]


def _wide_jpeg() -> bytes:
    jpeg = bytearray(_saved("JPEG"))
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">HH", 65_500, 65_500)
    return bytes(jpeg)


def _tiff(tags: dict[int, int], next_directory: int = 0) -> bytes:
    """A little-endian TIFF of one directory whose tags are all numbers of 32 bits."""
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", next_directory) + bytes(64)


def _looped_tiff() -> bytes:
    strip = 8 + 2 + 9 * 12 + 4
    tags = {256: 4, 257: 4, 258: 8, 259: 1, 262: 2, 273: strip, 277: 3, 278: 4, 279: 48}
    return _tiff(tags, next_directory=8)


def _sparse_tiff(height: int, width: int) -> bytes:
    place = {"transform": rasterio.Affine(1, 0, 500_000, 0, -1, 5_200_000), "crs": "EPSG:32633"}
    with MemoryFile() as memory:
        profile = {"driver": "GTiff", "count": 3, "height": height, "width": width, "dtype": "uint8"}
        with memory.open(**profile, **place, sparse_ok=True, tiled=True, blockxsize=512, blockysize=512):
            # Nothing is written: every block is missing, and reads as zeros.
            pass
        return bytes(memory.read())
