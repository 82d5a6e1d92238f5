"""A file's claims about itself are respected: nodata, alpha, palettes, photometric, orientation, roles of bands."""

from __future__ import annotations

import os
import zipfile

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image
from rasterio.enums import ColorInterp
from rasterio.rpc import RPC

from overland.errors import DataError, UsageError
from overland.raster import Grid, Window, create_raster, input_files, open_scene
from scenes import utm_grid, write_image

GRID = utm_grid(40, 60)
RGBA = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(1, 250, (3, 40, 60), dtype=np.uint8)


def write(path, array, **profile):
    array = array[None] if array.ndim == 2 else array
    count, height, width = array.shape
    profile = {"driver": "GTiff", "crs": GRID.crs, "transform": GRID.transform, **profile}
    colormap, roles = profile.pop("colormap", None), profile.pop("roles", None)
    with rasterio.open(path, "w", height=height, width=width, count=count, dtype=array.dtype, **profile) as dataset:
        if roles:
            dataset.colorinterp = roles
        dataset.write(array)
        if colormap:
            dataset.write_colormap(1, colormap)
    return path


def vrt(path, source, types, nodata=(None, None, None)):
    bands = "".join(
        f'<VRTRasterBand dataType="{kind}" band="{band}">'
        + ("" if fill is None else f"<NoDataValue>{fill}</NoDataValue>")
        + f'<SimpleSource><SourceFilename relativeToVRT="1">{source}</SourceFilename><SourceBand>{band}</SourceBand>'
        "</SimpleSource></VRTRasterBand>"
        for band, (kind, fill) in enumerate(zip(types, nodata, strict=True), 1)
    )
    path.write_text(f'<VRTDataset rasterXSize="60" rasterYSize="40">{bands}</VRTDataset>')
    return path


def test_each_band_has_its_own_nodata(tmp_path, pixels):
    pixels[:, :5, :8] = np.array([0, 255, 7], np.uint8)[:, None, None]
    write(tmp_path / "s.tif", pixels)
    with open_scene(vrt(tmp_path / "s.vrt", "s.tif", ["Byte"] * 3, [0, 255, 7])) as scene:
        _, valid = scene.read()
        _, of_one = scene.read(bands=[2])
    assert (~valid).sum() == 40
    assert not valid[:5, :8].any()
    assert (~of_one).sum() == 40


def test_a_band_without_nodata_always_holds_data(tmp_path, pixels):
    pixels[:, :5, :8] = 0
    write(tmp_path / "s.tif", pixels)
    with open_scene(vrt(tmp_path / "s.vrt", "s.tif", ["Byte"] * 3, [0, 0, None])) as scene:
        assert scene.read()[1].all()
        assert (~scene.read(bands=[1, 2])[1]).sum() == 40


@pytest.mark.parametrize("clear", [True, False])
def test_nodata_and_clear_entries_of_a_palette_hold_no_data(tmp_path, clear):
    indices = np.ones((40, 60), np.uint8)
    indices[:5, :8] = 9
    if clear:
        image = Image.fromarray(indices, mode="P")
        image.putpalette([0, 0, 0, 10, 20, 30] + [0, 0, 0] * 8)
        image.save(tmp_path / "p", format="PNG", transparency=9)
    else:
        colors = {1: (10, 20, 30, 255), 9: (0, 0, 0, 255)}
        write(tmp_path / "p", indices, photometric="palette", colormap=colors, nodata=9)
    with open_scene(tmp_path / "p", expand_palette=True) as scene:
        found, valid = scene.read()
    assert found[:, 20, 20].tolist() == [10, 20, 30]
    assert (~valid).sum() == 40


def test_types_that_differ_are_named(tmp_path, pixels):
    write(tmp_path / "s.tif", pixels)
    with open_scene(vrt(tmp_path / "s.vrt", "s.tif", ["Byte", "UInt16", "Byte"])) as scene:
        with pytest.raises(DataError, match="uint8, uint16, uint8"):
            scene.read()
        assert np.array_equal(scene.read(bands=[1, 3, 3])[0], pixels[[0, 2, 2]])


@pytest.mark.parametrize("suffix", [".vrt", ".png"])
def test_white_that_is_stored_as_zero_is_read_as_white(tmp_path, suffix):
    grey = np.arange(200, dtype=np.uint8).reshape(10, 20)
    write(tmp_path / "w.tif", grey, photometric="MINISWHITE", nodata=3)
    with open_scene(tmp_path / "w.tif") as scene:
        found, valid = scene.read()
        assert scene.nodata == 252
    assert np.array_equal(found[0], 255 - grey)
    assert (~valid).sum() == 1
    assert not valid[0, 3]


def test_a_white_object_of_one_bit_is_one(tmp_path):
    mask = np.zeros((40, 60), bool)
    mask[10:20] = True
    Image.fromarray(mask).save(tmp_path / "b.tif", tiffinfo={262: 0})
    with open_scene(tmp_path / "b.tif") as scene:
        assert np.array_equal(scene.read()[0][0], mask == np.array(Image.open(tmp_path / "b.tif"))[10, 0])
        assert scene.palette in (None, {0: (0, 0, 0), 1: (255, 255, 255)})
        assert scene.read()[0].max() == 1


@pytest.mark.parametrize("suffix", [".jpg", ".tif", ".big.tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_that_a_camera_stored_turned_is_turned_back(tmp_path, orientation, suffix):
    from PIL import ImageOps

    array = np.zeros((64, 96, 3), np.uint8)
    array[:16, :32], array[:16, 32:], array[48:] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
    image = Image.fromarray(array)
    exif = image.getexif()
    exif[274] = orientation
    path = tmp_path / f"c{suffix}"
    if suffix == ".jpg":
        image.save(path, exif=exif, quality=95, subsampling=0)
    else:
        image.save(path, tiffinfo={274: orientation}, big_tiff="big" in suffix)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(path))).astype(int)
    with open_scene(path) as scene:
        assert (scene.height, scene.width) == expected.shape[:2]
        whole, valid = scene.read()
        part, _ = scene.read(Window(col_off=8, row_off=3, width=40, height=21))
    assert np.abs(whole.transpose(1, 2, 0).astype(int) - expected).max() <= 6
    assert np.array_equal(part, whole[:, 3:24, 8:48])
    assert valid.shape == expected.shape[:2]


@pytest.mark.parametrize("highest", [255, 2])
def test_a_fourth_band_with_many_or_other_values_is_no_alpha(tmp_path, pixels, caplog, highest):
    # Many values, or two of which none is opaque.
    infrared = np.random.default_rng(1).integers(0, highest, (1, 40, 60), dtype=np.uint8) * (1 if highest > 2 else 220)
    path = write(tmp_path / "s.tif", np.concatenate([pixels, infrared]), photometric="RGB", roles=RGBA)
    with open_scene(path) as scene:
        assert scene.data_bands == (1, 2, 3, 4)
        _, valid = scene.read()
        assert valid.all()
    assert "band 4 is marked as alpha" in caplog.text


def test_the_fourth_channel_of_a_png_is_alpha_whatever_its_values(tmp_path, pixels):
    alpha = np.random.default_rng(0).integers(0, 201, (1, *pixels.shape[1:])).astype(np.uint8)
    path = tmp_path / "s.png"
    Image.fromarray(np.concatenate([pixels, alpha]).transpose(1, 2, 0), "RGBA").save(path)
    with open_scene(path) as scene:
        assert tuple(scene.data_bands) == (1, 2, 3)
        _, valid = scene.read(scene.grid.window)
    assert np.array_equal(valid, alpha[0] > 0)


@pytest.mark.parametrize("soft", [0, 60])
def test_clear_or_opaque_is_alpha_and_so_are_soft_edges(tmp_path, pixels, soft):
    alpha = np.full((1, 40, 60), 255, np.uint8)
    alpha[0, :10] = 0
    alpha[0, 10, :soft] = np.arange(soft) * 4
    path = write(tmp_path / "s.tif", np.concatenate([pixels, alpha]), photometric="RGB", roles=RGBA)
    with open_scene(path) as scene:
        assert scene.data_bands == (1, 2, 3)
        assert not scene.read()[1][:10].any()


def test_bands_are_read_as_red_green_blue_where_the_file_says_which_is_which(tmp_path, pixels, caplog):
    roles = [ColorInterp.blue, ColorInterp.green, ColorInterp.red, ColorInterp.undefined]
    four = np.concatenate([pixels, pixels[:1]])
    path = write(tmp_path / "s.tif", four, photometric="MINISBLACK", roles=roles)
    with caplog.at_level("INFO", logger="overland"), open_scene(path) as scene:
        assert scene.data_bands == (3, 2, 1, 4)
        assert np.array_equal(scene.read()[0], four[[2, 1, 0, 3]])
        assert np.array_equal(scene.read(bands=[1, 2, 3])[0], pixels)
    assert "read as bands 3,2,1,4" in caplog.text


def test_the_three_states_of_a_place(tmp_path, pixels):
    placed = Grid(height=40, width=60, transform=Affine(0.5, 0, 3_500_000, 0, -0.5, 5_800_000))
    for name, grid, states in [
        ("a.tif", Grid(height=40, width=60), (False, False)),
        ("b.tif", placed, (True, False)),
        ("c.tif", GRID, (True, True)),
    ]:
        path = write_image(tmp_path / name, pixels, grid)
        with open_scene(path) as scene:
            assert (scene.grid.has_coordinates, scene.grid.is_georeferenced) == states
            assert scene.grid.transform == grid.transform


@pytest.mark.parametrize("numbers", ["nan, 1, 0, 0, 0, -1", "500000, 0, 0, 5800000, 0, 0"])
def test_a_transform_that_makes_no_sense_is_refused(tmp_path, numbers):
    (tmp_path / "s.vrt").write_text(
        f'<VRTDataset rasterXSize="6" rasterYSize="4"><GeoTransform>{numbers}</GeoTransform>'
        '<VRTRasterBand dataType="Byte" band="1"/></VRTDataset>'
    )
    with pytest.raises(DataError, match="makes no sense"):
        open_scene(tmp_path / "s.vrt")


def test_polynomials_of_a_camera_are_carried(tmp_path, pixels):
    coefficients = [1.0] + [0.0] * 19
    rpcs = RPC(
        height_off=0.0, height_scale=1.0, lat_off=45.0, lat_scale=1.0, line_den_coeff=coefficients,
        line_num_coeff=coefficients, line_off=1.0, line_scale=1.0, long_off=10.0, long_scale=1.0,
        samp_den_coeff=coefficients, samp_num_coeff=coefficients, samp_off=1.0, samp_scale=1.0,
    )  # fmt: skip
    grid = Grid(height=40, width=60, rpcs=rpcs)
    with create_raster(tmp_path / "m.tif", grid) as writer:
        writer.write(pixels[0], grid.window)
    with open_scene(tmp_path / "m.tif") as scene:
        assert scene.grid.rpcs.lat_off == 45
        assert scene.grid.cropped(scene.grid.window).rpcs is None


def test_local_and_planetary_crss_are_read_and_written(tmp_path, pixels):
    crss = ('LOCAL_CS["site",UNIT["metre",1]]', "IAU_2015:30100", "EPSG:4807", "EPSG:3857+5773")
    for number, crs in enumerate(crss):
        grid = Grid(height=40, width=60, transform=Affine(1e-5, 0, 10, 0, -1e-5, 20), crs=crs)
        path = write_image(tmp_path / f"{number}.tif", pixels, grid)
        with open_scene(path) as scene:
            assert scene.grid.is_georeferenced
            assert scene.grid.pixel_size_m is not None


def test_parts_of_containers_are_opened_by_gdal_s_name_and_named_when_the_whole_is_given(tmp_path, pixels):
    images = [Image.fromarray(array.transpose(1, 2, 0)) for array in (pixels, pixels[:, ::-1])]
    images[0].save(tmp_path / "p.tif", save_all=True, append_images=images[1:], compression="tiff_deflate")
    with open_scene(f"GTIFF_DIR:2:{tmp_path}/p.tif") as scene:
        assert np.array_equal(scene.read()[0], pixels[:, ::-1])
    with pytest.raises(DataError, match="does not exist"):
        open_scene(tmp_path / "no.tif")
    with pytest.raises(DataError, match="cannot be opened"):
        open_scene("NETCDF:no.nc:depth")


def test_a_raster_in_an_archive_is_named_by_the_message_and_then_read(tmp_path, pixels):
    write_image(tmp_path / "s.tif", pixels, GRID)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "s.tif", "in/s.tif")
    with pytest.raises(DataError, match="It is an archive") as caught:
        open_scene(tmp_path / "a.zip")
    name = str(caught.value).rpartition(": ")[2]
    with open_scene(name) as scene:
        assert np.array_equal(scene.read()[0], pixels)


def test_a_pipe_is_refused_at_once_and_a_folder_by_name(tmp_path):
    os.mkfifo(tmp_path / "pipe.tif")
    with pytest.raises(DataError, match=r"pipe\.tif is no regular file"):
        open_scene(tmp_path / "pipe.tif")
    with pytest.raises(DataError, match="is a folder"):
        open_scene(tmp_path)
    with pytest.raises(DataError, match="cannot be a raster file"):
        open_scene("x" * 300)


def test_a_given_nodata_takes_the_place_of_those_of_all_bands(tmp_path, pixels):
    pixels[:, :5, :8] = 7
    path = write(tmp_path / "s.tif", pixels, nodata=1)
    with open_scene(path, nodata=7) as scene:
        assert not scene.read()[1][:5, :8].any()
    with pytest.raises(UsageError, match="cannot be 300"):
        open_scene(path, nodata=300)


def test_the_files_that_an_input_is_read_from(tmp_path, pixels):
    write_image(tmp_path / "s.tif", pixels, GRID)
    vrt(tmp_path / "one.vrt", "s.tif", ["Byte"] * 3)
    vrt(tmp_path / "two.vrt", "one.vrt", ["Byte"] * 3)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "s.tif", "in/s.tif")
    assert set(input_files(tmp_path / "two.vrt")) == {tmp_path / name for name in ("two.vrt", "one.vrt", "s.tif")}
    assert input_files(f"/vsizip/{tmp_path}/a.zip/in/s.tif", None, "https://example.org/s.tif") == [tmp_path / "a.zip"]
    assert tmp_path / "s.tif" in input_files(f"GTIFF_DIR:1:{tmp_path}/s.tif")
    with open_scene(tmp_path / "two.vrt") as scene:
        assert tmp_path / "s.tif" in scene.files


def test_rows_that_run_northwards_are_read_from_the_north_down(tmp_path, pixels):
    south_up = Affine(1, 0, 500_000, 0, 1, 5_200_000 - 40)
    path = write(tmp_path / "s.tif", pixels[:, ::-1].copy(), transform=south_up)
    with open_scene(path) as scene:
        assert scene.grid == GRID
        assert np.array_equal(scene.read()[0], pixels)
        assert np.array_equal(scene.read(Window(col_off=3, row_off=5, width=9, height=7))[0], pixels[:, 5:12, 3:12])
