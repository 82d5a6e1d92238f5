import pytest
from affine import Affine

from overland.errors import DataError
from overland.geo.grid import Grid, PixelSize, Window, iter_row_windows, iter_windows

UTM = Grid(height=100, width=200, transform=Affine(2.0, 0, 500_000, 0, -2.0, 5_000_000), crs="EPSG:32633")


def test_a_window_knows_its_ends_and_slices():
    window = Window(col_off=5, row_off=3, width=20, height=10)
    assert (window.row_end, window.col_end) == (13, 25)
    assert window.slices == (slice(3, 13), slice(5, 25))
    assert window.shifted(-3, 1) == Window(col_off=6, row_off=0, width=20, height=10)
    assert window.padded(2) == Window(col_off=3, row_off=1, width=24, height=14)


def test_windows_meet_in_their_common_pixels():
    assert Window(col_off=0, row_off=0, width=10, height=10).intersection(
        Window(col_off=8, row_off=5, width=10, height=10)
    ) == Window(col_off=8, row_off=5, width=2, height=5)
    apart = Window(col_off=0, row_off=0, width=10, height=10).intersection(
        Window(col_off=0, row_off=20, width=5, height=5)
    )
    assert apart.height == 0


def test_windows_of_a_raster_cover_each_pixel_once():
    windows = list(iter_windows(70, 50, 32))
    assert len(windows) == 3 * 2
    assert sum(window.height * window.width for window in windows) == 70 * 50
    assert windows[-1] == Window(col_off=32, row_off=64, width=18, height=6)


def test_bounds_are_left_bottom_right_top():
    assert UTM.bounds == (500_000, 4_999_800, 500_400, 5_000_000)


def test_bounds_of_a_turned_grid_hold_all_corners():
    turned = Grid(height=10, width=10, transform=Affine(0, 1.0, 0, 1.0, 0, 0), crs="EPSG:32633")
    assert turned.bounds == (0, 0, 10, 10)


@pytest.mark.parametrize(
    ("grid", "resolution"),
    [
        (UTM, 2.0),
        (
            Grid(height=10, width=10, transform=Affine(1.0, 0, 0, 0, -1.0, 0), crs="EPSG:2263"),
            0.3048,
        ),  # New York, US survey feet
        (
            Grid(height=10, width=10, transform=Affine(1e-5, 0, 20, 0, -1e-5, 60), crs="EPSG:4326"),
            0.836,
        ),  # half as wide as high at 60 degrees
        (Grid(height=10, width=10), None),
        (Grid(height=10, width=10, crs="EPSG:32633"), None),
    ],
)
def test_resolution_is_in_metres_whatever_the_crs(grid, resolution):
    assert grid.resolution_m == (None if resolution is None else pytest.approx(resolution, rel=1e-3))


def test_degrees_are_told_from_metres():
    assert Grid(height=1, width=1, transform=Affine(1e-5, 0, 20, 0, -1e-5, 60), crs="EPSG:4326").is_geographic
    assert not UTM.is_geographic
    assert not Grid(height=1, width=1).is_geographic


def test_a_cropped_grid_starts_at_its_window():
    cropped = UTM.cropped(Window(col_off=20, row_off=10, width=40, height=30))
    assert (cropped.height, cropped.width, cropped.crs) == (30, 40, "EPSG:32633")
    assert cropped.bounds == (500_040, 4_999_920, 500_120, 4_999_980)


def test_a_grid_without_a_crs_stays_one():
    cropped = Grid(height=50, width=50).cropped(Window(col_off=10, row_off=10, width=5, height=5))
    assert not cropped.is_georeferenced
    assert cropped.transform.is_identity


def test_a_place_in_units_of_its_own_is_kept():
    grid = Grid(height=50, width=50, transform=Affine(0.5, 0, 3_500_000, 0, -0.25, 5_800_000))
    cropped = grid.cropped(Window(col_off=10, row_off=20, width=5, height=5))
    assert cropped.bounds == (3_500_005, 5_799_993.75, 3_500_007.5, 5_799_995)
    assert grid.has_coordinates
    assert (grid.is_georeferenced, grid.map_crs, grid.pixel_size_m) == (False, None, None)
    assert grid.pixel_size == PixelSize(width=0.5, height=0.25)


def test_grids_take_keywords_alone():
    with pytest.raises(TypeError):
        Grid(10, 20)


def test_a_crs_without_a_horizontal_plane_has_no_resolution():
    grid = Grid(height=10, width=10, transform=Affine(1, 0, 0, 0, -1, 0), crs="EPSG:4978")
    assert grid.resolution_m is None
    with pytest.raises(DataError, match="no lengths and areas"):
        _ = grid.pixel_size


def test_blocks_of_rows_cover_a_raster_and_do_not_cut_the_blocks_of_files():
    blocks = list(iter_row_windows(10_000, 9_000))
    assert sum(block.height for block in blocks) == 10_000
    assert all(block.width == 9_000 and block.row_off % 512 == 0 for block in blocks)
    assert [block.height for block in iter_row_windows(25, 4, rows=10)] == [10, 10, 5]


@pytest.mark.parametrize(("crs", "x", "y"), [("EPSG:4326", 10, 95), ("EPSG:32633", 9e7, 5e6)])
def test_a_place_off_the_earth_has_no_pixel_size(crs, x, y):
    grid = Grid(height=10, width=10, transform=Affine(1e-5, 0, x, 0, -1e-5, y), crs=crs)
    assert grid.pixel_size_m is None
    with pytest.raises(DataError, match="no place on the ground"):
        _ = grid.pixel_size
