import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine

from models_made import mean_bundle
from overland.errors import DataError, UsageError
from overland.geo.measures import reprojected
from overland.inference.region import Area, check_bounds, read_area, scene_part
from overland.raster import Grid, Window, create_raster
from overland.vector import Layer, write_features
from overland.workflows.predict import predict
from scenes import utm_grid

GRID = utm_grid(700, 300)
LEFT, TOP = 500_000, 5_200_000
TRIANGLES = np.array(
    [
        shapely.Polygon([(LEFT + 40, TOP - 90), (LEFT + 200, TOP - 100), (LEFT + 90, TOP - 640)]),
        shapely.Polygon([(LEFT + 150, TOP - 300), (LEFT + 250, TOP - 310), (LEFT + 190, TOP - 400)]),
    ],
    dtype=object,
)


@pytest.mark.parametrize("bounds", [(1, 2, 3), (3, 0, 1, 1), (0, 1, 1, 0), (0, 0, float("nan"), 1)])
def test_bounds_that_make_no_sense_are_refused(bounds):
    with pytest.raises(UsageError, match="left bottom right top"):
        check_bounds(bounds)


def test_bounds_take_the_pixels_that_they_touch():
    part = scene_part("s", GRID, (LEFT + 10.5, TOP - 30, LEFT + 20, TOP - 5.2))
    assert part.window == Window(col_off=10, row_off=5, width=10, height=25)
    assert part.inside(part.window) is None
    assert part.until(7).window == Window(col_off=10, row_off=5, width=10, height=7)
    assert scene_part("s", GRID, (0.0, 0.0, 1.0, 1.0)) is None
    assert scene_part("s", GRID, None).window == GRID.window


def test_an_area_takes_the_pixels_whose_centres_lie_in_it():
    part = scene_part("s", GRID, Area("a", Layer("a", "Polygon", TRIANGLES, crs=GRID.crs)))
    assert part.window == Window(col_off=40, row_off=90, width=210, height=550)
    rows, cols = np.mgrid[90:640, 40:250] + 0.5
    expected = shapely.contains_xy(shapely.union_all(TRIANGLES), LEFT + cols, TOP - rows)
    assert (part.inside(part.window) != expected).sum() <= 4


def test_an_area_needs_polygons_and_a_scene_on_the_ground(tmp_path):
    lines = Layer("a", "LineString", np.array([shapely.LineString([(0, 0), (1, 1)])], dtype=object), crs=GRID.crs)
    write_features(tmp_path / "a.gpkg", [lines])
    with pytest.raises(DataError, match="made of polygons, the layer holds LineString"):
        read_area(tmp_path / "a.gpkg")
    area = Area("a", Layer("a", "Polygon", TRIANGLES, crs=GRID.crs))
    with pytest.raises(DataError, match="CRS"):
        scene_part("s", Grid(height=10, width=10), area)


def test_an_area_is_the_cut_of_the_whole_run_byte_by_byte(tmp_path):
    pixels = np.random.default_rng(0).integers(1, 255, (1, 700, 300), dtype=np.uint8)
    with create_raster(tmp_path / "s.tif", GRID, nodata=0) as writer:
        writer.write(pixels, GRID.window)
    degrees = Layer("a", "Polygon", reprojected(TRIANGLES, GRID.crs, "EPSG:4326"), crs="EPSG:4326")
    write_features(tmp_path / "a.gpkg", [degrees])
    bundle = mean_bundle(tmp_path / "m", side=9)
    options = {"chip_size": 64, "engine": "onnx"}
    predict(bundle, tmp_path / "s.tif", tmp_path / "w.tif", probabilities=tmp_path / "ws.tif", **options)
    values = predict(
        bundle,
        tmp_path / "s.tif",
        tmp_path / "o.tif",
        probabilities=tmp_path / "os.tif",
        area=tmp_path / "a.gpkg",
        **options,
    )
    part = scene_part("s", GRID, read_area(tmp_path / "a.gpkg"))
    inside = part.inside(part.window)
    with rasterio.open(tmp_path / "w.tif") as whole, rasterio.open(tmp_path / "o.tif") as cut:
        assert cut.bounds == (LEFT + 40, TOP - 640, LEFT + 250, TOP - 90)
        expected = np.where(inside, whole.read(1)[part.window.slices], 255)
        np.testing.assert_array_equal(cut.read(1), expected)
    with rasterio.open(tmp_path / "ws.tif") as whole, rasterio.open(tmp_path / "os.tif") as cut:
        assert np.where(inside, whole.read(1)[part.window.slices], np.nan).tobytes() == cut.read(1).tobytes()
    assert values.megapixels == pytest.approx(0.1155)


def test_a_place_without_a_crs_is_cut_by_its_own_units_and_else_by_pixels(caplog):
    placed = Grid(height=192, width=224, transform=Affine(0.5, 0, 3_500_000, 0, -0.5, 5_800_000))
    expected = Window(col_off=20, row_off=20, width=100, height=80)
    assert scene_part("s", placed, (3_500_010, 5_799_950, 3_500_060, 5_799_990)).window == expected
    assert scene_part("s", placed, (20, 20, 120, 100)).window == expected
    assert "columns and rows" in caplog.text
    assert scene_part("s", placed, (20, 20, 300, 100)) is None
