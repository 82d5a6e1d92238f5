from __future__ import annotations

from pathlib import Path

import pytest
from affine import Affine

from made_sets import make_image, make_mask
from overland.datasets.check import check_dataset
from overland.datasets.check.pairs import check_ground, check_imagery
from overland.datasets.check.survey import ImageFacts, MaskFacts, Record
from overland.datasets.dataset import Sample
from overland.geo.grid import Grid
from overland.raster.write import create_raster


def grid(x: float = 1000.0, y: float = 2000.0, crs: str = "EPSG:32633") -> Grid:
    return Grid(height=24, width=32, transform=Affine(0.5, 0, x, 0, -0.5, y), crs=crs)


def write_scene(path: Path, seed: int, image_grid: Grid, label_grid: Grid) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with create_raster(path, image_grid, count=3) as writer:
        writer.write(make_image(seed).transpose(2, 0, 1), image_grid.window)
    with create_raster(path.with_name(f"{path.stem}_labels.tif"), label_grid) as writer:
        writer.write(make_mask(), label_grid.window)


@pytest.mark.parametrize(
    ("labels", "code", "words"),
    [
        (grid(crs="EPSG:32634"), "crs-differs", "EPSG:32634, the image in EPSG:32633"),
        (grid(x=1001.5), "extent-differs", "up to 3.0 pixels apart"),
        (grid(x=9000), "extent-differs", "do not meet"),
    ],
)
def test_labels_elsewhere_than_their_image_are_named(tmp_path: Path, labels: Grid, code: str, words: str) -> None:
    write_scene(tmp_path / "train/a.tif", 0, grid(), labels)
    write_scene(tmp_path / "val/b.tif", 1, grid(x=5000), grid(x=5000))
    issues = check_dataset(tmp_path).issues
    assert [(issue.code, issue.severity) for issue in issues] == [(code, "error")]
    assert words in issues[0].message
    assert issues[0].files == (tmp_path / "train/a_labels.tif",)


def test_less_than_half_a_pixel_is_rounding(tmp_path: Path) -> None:
    write_scene(tmp_path / "train/a.tif", 0, grid(), grid(x=1000.1))
    write_scene(tmp_path / "val/b.tif", 1, grid(x=5000), grid(x=5000))
    assert check_dataset(tmp_path).issues == ()


def test_scenes_of_the_same_ground_in_two_splits_are_named(tmp_path: Path) -> None:
    write_scene(tmp_path / "train/a.tif", 0, grid(), grid())
    write_scene(tmp_path / "val/b.tif", 1, grid(x=1004), grid(x=1004))
    issues = check_dataset(tmp_path).issues
    assert [issue.code for issue in issues] == ["overlapping-scenes"]
    assert "train/a.tif and val/b.tif" in issues[0].message


def test_a_mask_that_lies_upside_down_on_its_image_is_named(tmp_path: Path) -> None:
    south_up = Grid(height=24, width=32, transform=Affine(0.5, 0, 1000, 0, 0.5, 1988), crs="EPSG:32633")
    facts = [ImageFacts(grid(), 3, "uint8"), MaskFacts(south_up, "GTiff", None)]
    record = Record("train", Sample("train/a", tmp_path / "a.tif", tmp_path / "m.tif", "a"), *facts)
    (issue,) = check_ground([record])
    assert (issue.code, issue.severity) == ("extent-differs", "error")
    assert "upside down" in issue.message


def test_an_alpha_band_that_hides_pixels_is_told(tmp_path: Path) -> None:
    facts = ImageFacts(grid(), 3, "uint8", "digest", hidden_by_alpha=True)
    (issue,) = check_imagery([Record("train", Sample("train/a", tmp_path / "a.tif", None, "a"), facts, None)])
    assert (issue.code, issue.severity) == ("alpha-band", "warning")
    assert "-b 1,2,3,4" in issue.message
