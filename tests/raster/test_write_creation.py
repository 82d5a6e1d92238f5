import numpy as np
import pytest
import rasterio

from overland.errors import UsageError
from overland.raster import Grid
from overland.raster.write import RasterProfile, check_creation, copy_to_output, create_dataset


@pytest.mark.parametrize(
    "creation", [{}, {"COMPRESS": "ZSTD", "LEVEL": "3"}, {"BLOCKSIZE": "256"}, {"OVERVIEWS": "NONE"}]
)
def test_options_of_the_driver_are_taken(creation):
    check_creation(creation)


@pytest.mark.parametrize(
    ("creation", "message"),
    [
        ({"COMPRES": "ZSTD"}, "Did you mean COMPRESS?"),
        ({"TILING_SCHEME": "GoogleMapsCompatible"}, "no creation option TILING_SCHEME. Known are"),
        ({"COMPRESS": "JPEG"}, "changes pixels"),
        ({"COMPRESS": "SMALL"}, "GDAL refuses .*COMPRESS=SMALL"),
        ({"BLOCKSIZE": "7"}, "GDAL refuses .*BLOCKSIZE=7"),
    ],
)
def test_options_that_would_fail_after_hours_are_refused_before(creation, message):
    with pytest.raises(UsageError, match=message):
        check_creation(creation)


def test_an_option_reaches_the_file(tmp_path):
    profile = RasterProfile(Grid(height=20, width=20), creation={"COMPRESS": "LZW"})
    with create_dataset(tmp_path / "a", profile) as dataset:
        dataset.write(np.ones((1, 20, 20), np.uint8))
    copy_to_output(tmp_path / "a", tmp_path / "b", tmp_path / "o.tif", profile)
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning), rasterio.open(tmp_path / "b") as dataset:
        assert dataset.compression.name == "lzw"
