"""Sizes on the ground in 30 coordinate reference systems, against geodesics, and what has none is refused."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS, Geod, Transformer

from overland.errors import DataError
from overland.geo import Grid
from overland.geo.crs import ground_of, is_same_crs, transformer_between
from overland.geo.measures import areas_m2, buffered_m, lengths_m, pixel_areas_m2, pixels_to_map

SPHERE_MERCATOR = (
    'PROJCS["Popular Visualisation CRS / Mercator",GEOGCS["Sphere",DATUM["Sphere",SPHEROID["Sphere",6378137,0],'
    'TOWGS84[0,0,0,0,0,0,0]],PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]],PROJECTION["Mercator_1SP"],'
    'PARAMETER["central_meridian",0],PARAMETER["scale_factor",1],PARAMETER["false_easting",0],'
    'PARAMETER["false_northing",0],UNIT["metre",1],EXTENSION["PROJ4","+proj=merc +a=6378137 +b=6378137 +lat_ts=0 '
    '+lon_0=0 +x_0=0 +y_0=0 +k=1 +units=m +nadgrids=@null +wktext +no_defs"]]'
)
ROTATED = "+proj=ob_tran +o_proj=longlat +o_lon_p=0 +o_lat_p=39.25 +lon_0=18 +R=6371229 +no_defs"
# Each with the longitude and latitude of a place where it is used.
PLACES = {
    "EPSG:4326": (13, 52),
    "OGC:CRS84": (179.99, -17),
    "EPSG:4979": (13, 60),
    "EPSG:4269": (-100, 40),
    "EPSG:4807": (2.5, 48),  # grads from Paris
    ROTATED: (15, 57),
    "EPSG:3857": (13, 52),
    "EPSG:900913": (13, 52),
    "EPSG:3857+5773": (13, 52),
    "ESRI:102100": (13, 52),
    SPHERE_MERCATOR: (13, 52),
    "EPSG:3395": (-70, -50),
    "EPSG:3832": (179, 10),
    "EPSG:32633": (15, 52),
    "EPSG:32633+5773": (13, 52),
    "EPSG:32760": (176, -40),
    "+proj=utm +zone=33 +units=km": (14, 47),
    "EPSG:2263": (-74, 40.7),  # US survey feet
    "EPSG:2229": (-118, 34),
    "EPSG:27700": (-2, 53),
    "EPSG:7405": (-2, 53),  # with heights
    "EPSG:2154": (3, 46),
    "EPSG:5070": (-96, 38),
    "EPSG:31468": (12, 48),
    "EPSG:3413": (-45, 57.6),
    "EPSG:3031": (100, -75),
    "EPSG:3035": (30, 65),
    "EPSG:6933": (60, 45),
    "ESRI:54008": (100, 52),
    "ESRI:54009": (-120, 60),
    "IAU_2015:30100": (10, 20),  # the Moon
    "IAU_2015:49900": (-60, 15),  # Mars
}
LOCAL = 'LOCAL_CS["site",UNIT["metre",1]]'
FEET = (
    'ENGCRS["Plant grid",EDATUM["stake"],CS[Cartesian,2],AXIS["(E)",east,ORDER[1],LENGTHUNIT["US survey foot",'
    '0.304800609601219]],AXIS["(N)",north,ORDER[2],LENGTHUNIT["US survey foot",0.304800609601219]]]'
)


def lon_lat_of(crs: str):
    """The way to degrees on the CRS's own body, by pyproj alone."""
    parsed = CRS.from_user_input(crs)
    if parsed.is_compound:
        parsed = parsed.sub_crs_list[0]
    if crs == SPHERE_MERCATOR:
        parsed = CRS("EPSG:3857")
    parsed = parsed.to_2d()
    base = parsed.source_crs if crs == ROTATED else parsed.geodetic_crs
    per_unit = np.degrees(base.axis_info[0].unit_conversion_factor)
    way = Transformer.from_crs(parsed, base, always_xy=True)
    return (lambda x, y: np.multiply(way.transform(x, y), per_unit)), way, per_unit, base.get_geod()


@settings(max_examples=12, deadline=None)
@given(
    shift=st.tuples(st.floats(-0.4, 0.4), st.floats(-0.4, 0.4)),
    size_m=st.sampled_from([0.001, 0.5, 30.0, 1000.0]),
    turn=st.floats(0, 360),
)
@pytest.mark.parametrize("crs", PLACES, ids=lambda crs: crs[:24])
def test_sizes_are_those_of_geodesics(crs, shift, size_m, turn):
    to_degrees, way, per_unit, geod = lon_lat_of(crs)
    lon, lat = np.add(PLACES[crs], shift)
    x, y = way.transform(lon / per_unit, lat / per_unit, direction="INVERSE")
    if not np.isfinite([x, y]).all():
        return
    # A transform whose pixels are about `size_m` wide whatever the unit.
    unit = CRS.from_user_input(crs).axis_info[0].unit_conversion_factor
    side = size_m / (unit if ground_of(crs).unit_m is not None else 6_371_000 * unit)
    grid = Grid(
        height=8,
        width=8,
        transform=Affine.translation(x, y) @ Affine.rotation(turn) @ Affine.scale(side, -side),
        crs=crs,
    )

    def geodesic(points):
        lons, lats = to_degrees(*np.array([grid.xy(row, col) for col, row in points]).T)
        return geod.line_length(lons, lats), abs(geod.polygon_area_perimeter(lons, lats)[0])

    # Measured over many pixels, since micrometres are beyond the precision of degrees.
    across, _ = geodesic([(-400, 4), (400, 4)] if size_m < 1 else [(0, 4), (8, 4)])
    down, _ = geodesic([(4, -400), (4, 400)] if size_m < 1 else [(4, 0), (4, 8)])
    pixels = 800 if size_m < 1 else 8
    assert grid.pixel_size_m.width == pytest.approx(across / pixels, rel=5e-3)
    assert grid.pixel_size_m.height == pytest.approx(down / pixels, rel=5e-3)
    reach = 400 if size_m < 1 else 4
    square = shapely.box(4 - reach, 4 - reach, 4 + reach, 4 + reach)
    _, area = geodesic(list(square.exterior.coords))
    assert areas_m2(pixels_to_map(np.array([square]), grid), crs)[0] == pytest.approx(area, rel=5e-3)
    assert pixel_areas_m2(grid, grid.window)[4] * (2 * reach) ** 2 == pytest.approx(area, rel=5e-3)
    diagonal = shapely.LineString([(4 - reach, 4 - reach), (4 + reach, 4 + reach)])
    length, _ = geodesic(list(diagonal.coords))
    assert lengths_m(pixels_to_map(np.array([diagonal]), grid), crs)[0] == pytest.approx(length, rel=5e-3)


@pytest.mark.parametrize("crs", PLACES, ids=lambda crs: crs[:24])
def test_a_buffer_has_its_radius_on_the_ground(crs):
    lon, lat = PLACES[crs]
    place = (
        ground_of(crs).from_degrees(lon, lat)
        if crs != SPHERE_MERCATOR
        else ground_of("EPSG:3857").from_degrees(lon, lat)
    )
    x, y = (float(value) for value in place)
    circle = buffered_m(np.array([shapely.Point(x, y)]), np.array([50.0]), crs, (x, y))
    assert areas_m2(circle, crs)[0] == pytest.approx(np.pi * 2500, rel=0.012)  # an octagon of octagons: 0.6 % less


def test_mercators_of_one_place_are_one():
    names = ("EPSG:3857", "EPSG:900913", "EPSG:3857+5773", "ESRI:102100", SPHERE_MERCATOR)
    transform = Affine(1, 0, 1_000_000, 0, -1, 6_800_000)
    sizes = [Grid(height=100, width=120, transform=transform, crs=crs).pixel_size_m for crs in names]
    assert np.ptp(np.array(sizes), axis=0) == pytest.approx(0, abs=1e-6)
    assert sizes[0].width == pytest.approx(0.617, abs=1e-3)


@pytest.mark.parametrize(("crs", "unit"), [(LOCAL, 1.0), (FEET, 0.3048006)])
def test_a_local_crs_is_a_plane_of_its_units(crs, unit):
    grid = Grid(height=10, width=20, transform=Affine(0.5, 0, 1000, 0, -0.5, 2000), crs=crs)
    assert grid.pixel_size_m == pytest.approx((0.5 * unit, 0.5 * unit))
    assert pixel_areas_m2(grid, grid.window)[0] == pytest.approx(0.25 * unit**2)
    assert lengths_m(np.array([shapely.LineString([(0, 0), (3, 4)])]), crs)[0] == pytest.approx(5 * unit)
    with pytest.raises(DataError, match="local CRS without longitude"):
        transformer_between("EPSG:4326", crs)


@pytest.mark.parametrize("crs", ["EPSG:4978", "EPSG:5773", "no such CRS"])
def test_what_has_no_ground_is_refused(crs):
    with pytest.raises(DataError, match="no lengths and areas|no coordinate reference system"):
        ground_of(crs)


def test_crss_are_compared_by_meaning():
    assert is_same_crs("EPSG:32633", "EPSG:32633+5773")
    assert is_same_crs("EPSG:3857", "EPSG:900913")
    assert is_same_crs("EPSG:4326", "OGC:CRS84")
    assert is_same_crs(None, None)
    assert not is_same_crs("EPSG:32633", None)
    assert not is_same_crs("EPSG:32633", "EPSG:32634")


def test_the_scale_of_a_whole_zone_decides_and_not_that_of_its_middle():
    ground = ground_of("EPSG:32633")
    assert ground.true_unit_m((490_000, 5_000_000, 510_000, 5_010_000), 2) == 1
    assert ground.true_unit_m((490_000, 5_000_000, 1_500_000, 5_010_000), 2) is None


def test_geods_are_of_the_body():
    assert ground_of("IAU_2015:30100").geod.a == Geod(a=1_737_400, b=1_737_400).a
