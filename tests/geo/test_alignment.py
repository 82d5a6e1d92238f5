"""The gate: rasters that lie on each other, and those that do not."""

from __future__ import annotations

import pytest
from affine import Affine

from overland.errors import DataError
from overland.geo import Grid
from overland.geo.alignment import check_same_grid

T = Affine(1, 0, 500_000, 0, -1, 5_800_000)


def grid(transform=T, crs="EPSG:32633", height=40, width=60):
    return Grid(height=height, width=width, transform=transform, crs=crs)


def check(one, other):
    check_same_grid(one, other, ("a.tif", "b.tif"), advice="Warp one.")


@pytest.mark.parametrize(
    "other",
    [
        grid(),
        grid(crs="EPSG:32633+5773"),
        grid(crs="+proj=utm +zone=33 +datum=WGS84"),
        grid(crs=None),
        grid(Affine.identity(), None),
        grid(Affine(1, 0, 500_000.001, 0, -1, 5_800_000)),
    ],
)
def test_the_same_place_by_any_name(other):
    check(grid(), other)
    check(other, grid())


def test_web_mercator_by_its_names():
    transform = Affine(1, 0, 1_000_000, 0, -1, 6_800_000)
    for crs in ("EPSG:900913", "EPSG:3857+5773", "ESRI:102100"):
        check(grid(transform, "EPSG:3857"), grid(transform, crs))


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (grid(height=41), "40 x 60 pixels, b.tif has 41 x 60"),
        (grid(Affine(1, 0, 600_000, 0, -1, 5_800_000)), "one grid"),
        (grid(Affine(1, 0, 500_000.1, 0, -1, 5_800_000)), "one grid"),
        (grid(Affine(1, 0, 500_000, 0, 1, 5_799_960)), "one grid"),  # the same ground, rows from the south
        (grid(Affine(1.01, 0, 500_000, 0, -1, 5_800_000)), "one grid"),
        (grid(Affine(1, 0, 500_040, 0, -1, 5_800_000), None), "one grid"),
        (grid(crs="EPSG:32634"), "one grid"),
        (grid(crs='LOCAL_CS["site",UNIT["metre",1]]'), "one grid"),
        (grid(Affine(1e-5, 0, 15, 0, -1e-5, 52), "EPSG:4326"), "one grid"),
    ],
)
def test_another_place(other, message):
    with pytest.raises(DataError, match=f"{message}.*Warp one"):
        check(grid(), other)
