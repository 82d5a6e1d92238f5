from __future__ import annotations

import io
from pathlib import Path

import pytest

from overland.web.refusals import RefusedError
from overland.web.sandbox.upload_check import driver_from_magic, receive


@pytest.mark.parametrize(
    ("head", "driver"),
    [
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"\xff\xd8\xff\xe1", "JPEG"),
        (b"II*\0", "GTiff"),
        (b"MM\0*", "GTiff"),
        (b"II+\0\x08\0\0\0", "GTiff"),
        (b"MM\0+\0\x08\0\0", "GTiff"),
    ],
)
def test_driver_from_magic(head: bytes, driver: str) -> None:
    assert driver_from_magic(head + b"rest") == driver


def test_what_is_no_image_is_named() -> None:
    with pytest.raises(RefusedError, match="a ZIP archive") as caught:
        driver_from_magic(b"PK\3\4")
    assert caught.value.status == 415


def test_size_is_counted_as_it_comes(tmp_path: Path) -> None:
    class Endless(io.RawIOBase):
        given = 0

        def read(self, size: int = -1) -> bytes:
            self.given += size
            return b"II*\0" + bytes(size - 4)

    stream = Endless()
    with pytest.raises(RefusedError) as caught:
        receive(stream, tmp_path / "upload", 1_000_000)
    assert caught.value.status == 413
    assert stream.given < 2_000_000


def test_copy_is_whole(tmp_path: Path) -> None:
    data = b"II*\0" + bytes(range(256)) * 3000
    assert receive(io.BytesIO(data), tmp_path / "upload", len(data)) == "GTiff"
    assert (tmp_path / "upload").read_bytes() == data
