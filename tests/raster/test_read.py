import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp

from overland.errors import DataError
from overland.raster import Window, open_scene, read_image

PLACE = {"crs": "EPSG:32633", "transform": Affine(2.0, 0, 500_000, 0, -2.0, 5_000_000)}


def write(path, pixels, mask=None, **options):
    count, height, width = pixels.shape
    # Left to itself, GDAL calls the fourth band of bytes alpha.
    options = {"photometric": "MINISBLACK", **options}
    profile = {"driver": "GTiff", "height": height, "width": width, "count": count, "dtype": pixels.dtype}
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "w", **profile, **PLACE, **options) as dataset:
        dataset.write(pixels)
        if mask is not None:
            dataset.write_mask(mask)
    return path


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(1, 255, (4, 40, 30), dtype=np.uint8)


def test_bands_are_counted_from_one_and_read_in_the_order_asked_for(tmp_path, pixels):
    with open_scene(write(tmp_path / "s.tif", pixels)) as scene:
        got, valid = scene.read(Window(col_off=6, row_off=5, width=8, height=7), (3, 1))
        assert (scene.height, scene.width, scene.count, scene.dtype) == (40, 30, 4, "uint8")
    np.testing.assert_array_equal(got, pixels[[2, 0], 5:12, 6:14])
    assert valid.all()


def test_the_grid_is_the_files(tmp_path, pixels):
    with open_scene(write(tmp_path / "s.tif", pixels)) as scene:
        assert scene.grid.crs == "EPSG:32633"
        assert scene.grid.transform == PLACE["transform"]
        assert scene.grid.resolution_m == 2.0


@pytest.mark.parametrize("nodata", [0, 7])
def test_a_pixel_has_no_data_where_every_band_that_is_read_equals_nodata(tmp_path, pixels, nodata):
    pixels[pixels == nodata] += 1
    pixels[:, :5] = nodata
    pixels[0, 10] = nodata
    with open_scene(write(tmp_path / "s.tif", pixels, nodata=nodata)) as scene:
        _, valid = scene.read()
        _, valid_of_first = scene.read(bands=[1])
    assert not valid[:5].any()
    assert valid[5:].all()
    assert not valid_of_first[10].any()


@pytest.mark.parametrize("nodata", [-9999.0, 3.5, 300.0])
def test_a_nodata_value_that_bytes_cannot_hold_marks_nothing(tmp_path, pixels, nodata):
    vrt = f"""<VRTDataset rasterXSize="30" rasterYSize="40"><VRTRasterBand dataType="Byte" band="1">
      <NoDataValue>{nodata}</NoDataValue><SimpleSource><SourceFilename relativeToVRT="1">s.tif</SourceFilename>
      <SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"""
    write(tmp_path / "s.tif", pixels)
    (tmp_path / "s.vrt").write_text(vrt)
    with open_scene(tmp_path / "s.vrt") as scene:
        assert scene.read()[1].all()


@pytest.mark.parametrize("nodata", [-9999.0, np.nan, None])
def test_nan_never_counts_as_data(tmp_path, nodata):
    pixels = np.ones((2, 20, 20), np.float32)
    pixels[0, 3, 3] = np.nan
    pixels[:, 4, 4] = -9999
    with open_scene(write(tmp_path / "s.tif", pixels, nodata=nodata)) as scene:
        _, valid = scene.read()
    assert not valid[3, 3]
    assert valid[4, 4] == (nodata != -9999.0)


def test_alpha_tells_where_there_is_data_and_is_no_measurement(tmp_path, pixels):
    pixels[3] = np.where(np.arange(30) < 10, 0, 255)
    path = write(tmp_path / "s.tif", pixels, photometric="RGB", alpha="yes")
    with open_scene(path) as scene:
        assert scene.data_bands == (1, 2, 3)
        got, valid = scene.read()
        assert scene.read(bands=(1, 2, 3, 4))[1].all()  # asked for, it is a measurement
    assert got.shape == (3, 40, 30)
    np.testing.assert_array_equal(valid, pixels[3] > 0)


def test_an_internal_mask_is_respected(tmp_path, pixels):
    mask = np.zeros((40, 30), bool)
    mask[10:20] = True
    with open_scene(write(tmp_path / "s.tif", pixels, mask=mask)) as scene:
        np.testing.assert_array_equal(scene.read()[1], mask)


def test_ground_control_points_are_kept(tmp_path, pixels):
    points = [GroundControlPoint(0, 0, 12.0, 48.0), GroundControlPoint(40, 30, 12.1, 47.9)]
    profile = {"driver": "GTiff", "height": 40, "width": 30, "count": 4, "dtype": "uint8"}
    with rasterio.open(tmp_path / "s.tif", "w", **profile, gcps=points, crs="EPSG:4326") as dataset:
        dataset.write(pixels)
    with open_scene(tmp_path / "s.tif") as scene:
        assert len(scene.grid.gcps) == 2
        assert scene.grid.gcps_crs == "EPSG:4326"
        assert not scene.grid.is_georeferenced


def test_a_palette_is_read_as_indices_or_as_colours(tmp_path):
    ids = np.array([[0, 1], [2, 1]], np.uint8)
    image = Image.new("P", (2, 2))
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    image.putdata(ids.ravel().tolist())
    image.save(tmp_path / "p.png")
    with open_scene(tmp_path / "p.png") as scene:
        assert scene.data_bands == (1,)
        assert scene.palette[1] == (40, 50, 60)
        np.testing.assert_array_equal(scene.read()[0][0], ids)
    colours, _ = read_image(tmp_path / "p.png")
    np.testing.assert_array_equal(colours[:, 1, 0], (70, 80, 90))


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_plain_images_are_read(tmp_path, suffix):
    Image.new("RGB", (30, 20), (200, 100, 50)).save(tmp_path / f"i.{suffix}")
    pixels, valid = read_image(tmp_path / f"i.{suffix}")
    assert pixels.shape == (3, 20, 30)
    assert np.abs(pixels[:, 5, 5].astype(int) - (200, 100, 50)).max() <= 2
    assert valid.all()


def test_pixels_beyond_the_edge_are_mirrored(tmp_path, pixels):
    path = write(tmp_path / "s.tif", pixels)
    with open_scene(path) as scene:
        got, valid = scene.read_padded(Window(col_off=-2, row_off=-3, width=40, height=50), (2,))
    np.testing.assert_array_equal(got[0], np.pad(pixels[1], ((3, 7), (2, 8)), mode="reflect"))
    assert valid.shape == (50, 40)


def test_a_window_off_the_raster_is_refused(tmp_path, pixels):
    with open_scene(write(tmp_path / "s.tif", pixels)) as scene, pytest.raises(DataError, match="outside the raster"):
        scene.read_padded(Window(col_off=0, row_off=100, width=5, height=5))


def test_a_band_that_is_not_there_is_named(tmp_path, pixels):
    with (
        open_scene(write(tmp_path / "s.tif", pixels)) as scene,
        pytest.raises(DataError, match="band 7 .* bands 1 to 4"),
    ):
        scene.read(bands=[7])


def test_what_is_no_raster_is_one_error(tmp_path):
    (tmp_path / "text.tif").write_text("not a raster")
    with pytest.raises(DataError, match="cannot be opened as a raster"):
        open_scene(tmp_path / "text.tif")
    with pytest.raises(DataError, match="does not exist"):
        open_scene(tmp_path / "nothing.tif")
    with pytest.raises(DataError, match="is a folder"):
        open_scene(tmp_path)


def test_a_file_that_was_cut_short_is_one_error(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (1, 512, 512), dtype=np.uint8)
    path = write(tmp_path / "s.tif", noise, tiled=True, blockxsize=256, blockysize=256, compress="deflate")
    path.write_bytes(path.read_bytes()[:100_000])
    with open_scene(path) as scene, pytest.raises(DataError, match="damaged or was cut short"):
        scene.read()


def test_colour_interpretation_decides_what_alpha_is(tmp_path, pixels):
    path = write(tmp_path / "s.tif", pixels)
    with rasterio.open(path, "r+") as dataset:
        dataset.colorinterp = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.undefined)
    with open_scene(path) as scene:
        assert scene.data_bands == (1, 2, 3, 4)
