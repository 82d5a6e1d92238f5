import errno

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image
from rasterio.control import GroundControlPoint

from overland.errors import DataError, ResourceError, UsageError
from overland.legend import legend_from_names
from overland.raster import Grid, Window, create_raster, open_scene, write_class_map
from overland.raster import write as write_module

LEGEND = legend_from_names(["background", "road & track", "water"])
GRID = Grid(height=700, width=600, transform=Affine(0.5, 0, 500_000, 0, -0.5, 5_000_000), crs="EPSG:32633")


@pytest.fixture
def mask():
    mask = np.random.default_rng(0).integers(0, 3, (700, 600), dtype=np.uint8)
    mask[:50] = 255
    return mask


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_class_map_is_a_cog_with_colours_names_and_nodata(tmp_path, mask):
    path = tmp_path / "m.tif"
    write_class_map(path, mask, GRID, LEGEND)
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read(1), mask)
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert dataset.block_shapes == [(512, 512)]
        assert dataset.overviews(1) == [2]
        assert dataset.nodata == 255
        assert dataset.crs.to_epsg() == 32633
        assert tuple(dataset.transform) == tuple(GRID.transform)
        assert [dataset.colormap(1)[index][:3] for index in range(3)] == list(LEGEND.colors)
    with open_scene(path) as scene:
        assert scene.legend.names == LEGEND.names
        assert scene.legend.colors == LEGEND.colors
    assert names_in(tmp_path) == ["m.tif", "m.tif.aux.xml"]


def test_overviews_of_a_class_map_hold_classes_only(tmp_path):
    mask = np.zeros((1024, 1024), np.uint8)
    mask[:, ::2] = 2
    write_class_map(
        tmp_path / "m.tif", mask, Grid(height=1024, width=1024, transform=GRID.transform, crs=GRID.crs), LEGEND
    )
    with rasterio.open(tmp_path / "m.tif", overview_level=0) as dataset:
        assert set(np.unique(dataset.read(1))) <= {0, 2}


def test_windows_can_be_written_in_any_shape(tmp_path, mask):
    with create_raster(tmp_path / "m.tif", GRID) as writer:
        for row in range(0, 700, 90):
            height = min(90, 700 - row)
            writer.write(mask[row : row + height], Window(col_off=0, row_off=row, width=600, height=height))
    with rasterio.open(tmp_path / "m.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(1), mask)


def test_float_bands_keep_their_names_and_nan(tmp_path):
    scores = np.random.default_rng(0).random((2, 700, 600), dtype=np.float32)
    scores[:, 5, 5] = np.nan
    with create_raster(
        tmp_path / "s.tif", GRID, count=2, dtype="float32", nodata=float("nan"), descriptions=["a", "b"]
    ) as writer:
        writer.write(scores, GRID.window)
    with rasterio.open(tmp_path / "s.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(), scores)
        assert dataset.descriptions == ("a", "b")
        assert np.isnan(dataset.nodata)


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (15, 3), (511, 513)])
def test_the_smallest_rasters_are_written(tmp_path, size):
    mask = np.random.default_rng(0).integers(0, 3, size, dtype=np.uint8)
    write_class_map(tmp_path / "m.tif", mask, Grid(height=size[0], width=size[1]), LEGEND)
    with open_scene(tmp_path / "m.tif") as scene:
        np.testing.assert_array_equal(scene.read()[0][0], mask)


def test_ground_control_points_go_along(tmp_path):
    points = (GroundControlPoint(0, 0, 12.0, 48.0), GroundControlPoint(20, 20, 12.1, 47.9))
    grid = Grid(height=20, width=20, gcps=points, gcps_crs="EPSG:4326")
    write_class_map(tmp_path / "m.tif", np.zeros((20, 20), np.uint8), grid, LEGEND)
    with open_scene(tmp_path / "m.tif") as scene:
        assert [(point.row, point.x) for point in scene.grid.gcps] == [(0, 12.0), (20, 12.1)]
        assert scene.grid.gcps_crs == "EPSG:4326"


def test_a_png_has_the_colours_too(tmp_path, mask):
    write_class_map(tmp_path / "m.png", mask, GRID, LEGEND)
    with Image.open(tmp_path / "m.png") as image:
        assert image.mode == "P"
        np.testing.assert_array_equal(np.asarray(image), mask)
        assert tuple(image.getpalette()[:9]) == sum(LEGEND.colors, ())
    with open_scene(tmp_path / "m.png") as scene:
        assert (scene.grid.crs, scene.grid.transform) == (GRID.crs, GRID.transform)
        assert scene.legend.names == LEGEND.names
    assert names_in(tmp_path) == ["m.png", "m.png.aux.xml"]


def test_an_output_that_exists_is_kept_unless_told(tmp_path, mask):
    (tmp_path / "m.tif").write_text("mine")
    with pytest.raises(UsageError, match="--overwrite"):
        write_class_map(tmp_path / "m.tif", mask, GRID, LEGEND)
    assert (tmp_path / "m.tif").read_text() == "mine"
    write_class_map(tmp_path / "m.tif", mask, GRID, LEGEND, overwrite=True)
    assert names_in(tmp_path) == ["m.tif", "m.tif.aux.xml"]


@pytest.mark.parametrize("name", ["m.jpg", "m", "m.gpkg"])
def test_an_unknown_suffix_is_refused(tmp_path, mask, name):
    with pytest.raises(UsageError, match=r"\.tif, \.tiff, \.png"):
        write_class_map(tmp_path / name, mask, GRID, LEGEND)


def test_a_folder_is_made_but_a_file_is_no_folder(tmp_path, mask):
    write_class_map(tmp_path / "new" / "m.tif", mask, GRID, LEGEND)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be made a folder"):
        write_class_map(tmp_path / "file" / "m.tif", mask, GRID, LEGEND)
    (tmp_path / "folder.tif").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        write_class_map(tmp_path / "folder.tif", mask, GRID, LEGEND)


@pytest.mark.parametrize("error", [KeyboardInterrupt, DataError, ValueError])
def test_nothing_is_left_when_the_work_breaks_off(tmp_path, mask, error):
    def work():
        with create_raster(tmp_path / "m.tif", GRID, legend=LEGEND) as writer:
            writer.write(mask[:100], Window(col_off=0, row_off=0, width=600, height=100))
            raise error("stop")

    with pytest.raises(error):
        work()
    assert names_in(tmp_path) == []


def test_an_old_output_survives_work_that_breaks_off(tmp_path, mask):
    write_class_map(tmp_path / "m.tif", mask, GRID, LEGEND)
    with pytest.raises(DataError), create_raster(tmp_path / "m.tif", GRID, overwrite=True):
        raise DataError("stop")
    with rasterio.open(tmp_path / "m.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(1), mask)


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path, mask, monkeypatch):
    def fail(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(write_module, "copy_to_output", fail)
    with pytest.raises(ResourceError, match="disk is full"):
        write_class_map(tmp_path / "m.tif", mask, GRID, LEGEND)
    assert names_in(tmp_path) == []


def test_pixels_that_do_not_read_back_are_found_out(tmp_path, mask, monkeypatch):
    translate = write_module.copy_to_output

    def lose_a_pixel(source, target, path, profile):
        with rasterio.open(source, "r+") as dataset:
            dataset.write(np.full((1, 1, 1), 9, np.uint8), window=((3, 4), (3, 4)))
        translate(source, target, path, profile)

    monkeypatch.setattr(write_module, "copy_to_output", lose_a_pixel)
    with pytest.raises(ResourceError, match="does not read back"):
        write_class_map(tmp_path / "m.tif", mask, GRID, LEGEND)
    assert names_in(tmp_path) == []


def test_the_fourth_of_four_bands_of_bytes_is_no_alpha(tmp_path):
    pixels = np.zeros((4, 32, 32), np.uint8)
    with create_raster(tmp_path / "four.tif", Grid(height=32, width=32), count=4) as writer:
        writer.write(pixels, Grid(height=32, width=32).window)
    with open_scene(tmp_path / "four.tif") as scene:
        assert scene.data_bands == (1, 2, 3, 4)
        assert scene.read()[1].all()
