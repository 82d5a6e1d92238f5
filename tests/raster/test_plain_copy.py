from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

from overland.errors import DataError
from overland.raster import open_scene
from overland.raster.plain_copy import read_facts, write_plain_copy
from scenes import utm_grid, write_image


def _copied(source: Path, target: Path, bands: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    with open_scene(source) as scene:
        write_plain_copy(scene, target, bands)
    with open_scene(target) as scene:
        assert scene.data_bands == tuple(range(1, len(bands) + 1))
        return scene.read()


def test_facts_are_those_of_the_header(tmp_path: Path) -> None:
    path = write_image(tmp_path / "a.tif", np.ones((3, 20, 30), np.uint16), utm_grid(20, 30))
    facts = read_facts(path, "GTiff")
    assert (facts.height, facts.width, facts.count, facts.dtype, facts.pages) == (20, 30, 3, "uint16", 1)
    assert facts.block_bytes == 512 * 512 * 3 * 2


def test_file_of_another_format_is_refused(tmp_path: Path) -> None:
    path = write_image(tmp_path / "a.tif", np.ones((3, 20, 30), np.uint8), utm_grid(20, 30))
    with pytest.raises(DataError, match="cannot be opened as PNG"):
        read_facts(path, "PNG")


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("bands", [(1,), (3, 1, 2), (1, 2, 3, 4), (2, 2)])
def test_copy_has_the_bands_asked_for(tmp_path: Path, dtype: str, bands: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(1, 200, (5, 40, 50)).astype(dtype)
    source = write_image(tmp_path / "a.tif", pixels, utm_grid(40, 50))
    copied, valid = _copied(source, tmp_path / "b.tif", bands)
    assert np.array_equal(copied, pixels[[band - 1 for band in bands]])
    assert valid.all()


def test_copy_keeps_place_and_what_holds_data(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(1, 200, (3, 700, 600), dtype=np.uint8)
    pixels[:, 600:, 100:] = 7
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", count=3, height=700, width=600, dtype="uint8", nodata=7,
        crs="EPSG:32633", transform=utm_grid(700, 600).transform,
    ) as dataset:  # fmt: skip
        dataset.write(pixels)
    copied, valid = _copied(tmp_path / "a.tif", tmp_path / "b.tif", (1, 2, 3))
    assert np.array_equal(copied, pixels)
    assert np.array_equal(~valid, (pixels == 7).all(axis=0))
    with open_scene(tmp_path / "b.tif") as scene:
        assert scene.grid == utm_grid(700, 600)
        assert scene.nodata is None


def test_description_of_another_raster_is_not_followed(tmp_path: Path) -> None:
    secret = write_image(tmp_path / "secret.tif", np.full((1, 16, 16), 77, np.uint8), utm_grid(16, 16))
    vrt = tmp_path / "upload.tif"
    vrt.write_text(
        '<VRTDataset rasterXSize="16" rasterYSize="16"><GeoTransform>0, 2, 0, 0, 0, -2</GeoTransform>'
        '<VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
        f"<SourceFilename>{secret}</SourceFilename><SourceBand>1</SourceBand>"
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    # GDAL would open it, whatever its name says.
    with rasterio.open(vrt) as dataset:
        assert dataset.read(1)[0, 0] == 77
    with pytest.raises(DataError, match="cannot be opened as GTiff"):
        read_facts(vrt, "GTiff")
    with pytest.raises(DataError, match="cannot be opened"):
        open_scene(vrt, driver="GTiff")
