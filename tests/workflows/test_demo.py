from pathlib import Path

import pytest
import shapely

pytest.importorskip("torch")

from overland.errors import UsageError
from overland.raster import open_scene, read_image
from overland.vector import read_lines
from overland.workflows import demo as module
from overland.workflows.demo import demo


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_SPLITS", {"train": 3, "val": 2, "test": 2})
        patch.setattr(module, "_SIDE", 256)
        first = demo(output=folder / "one", epochs=1, map_side=512)
        second = demo(output=folder / "two", epochs=1, map_side=512)
        other = module._make_scene(folder / "other.tif", 1, 512)
    return first, second, other


def test_everything_is_made(small):
    for key in ("report", "model", "scene", "mask", "roads", "polygons"):
        assert Path(getattr(small[0], key)).exists(), key
    assert small[0].synthetic is True
    assert "synthetic" in Path(small[0].report).read_text(encoding="utf-8").lower()


def test_the_map_lies_where_the_scene_does(small):
    with open_scene(small[0].scene) as scene, open_scene(small[0].mask) as mask:
        assert mask.grid == scene.grid
        assert mask.legend is not None
        assert mask.nodata == 255


def test_the_same_seed_gives_the_same_bytes(small):
    first, second, other = small
    assert Path(first.mask).read_bytes() == Path(second.mask).read_bytes()
    assert Path(first.scene).read_bytes() != Path(other).read_bytes()


def test_the_true_roads_lie_on_the_true_mask(small):
    folder = Path(small[0].output)
    lines, crs = read_lines(folder / "scene_roads.gpkg")
    mask, _ = read_image(folder / "scene_truth.tif", expand_palette=False)
    with open_scene(folder / "scene_truth.tif") as scene:
        grid = scene.grid
    assert crs == grid.crs
    inside = on_road = 0
    for line in lines:
        xs, ys = shapely.get_coordinates(line).T
        cols = ((xs - grid.transform.c) / grid.transform.a).astype(int)
        rows = ((ys - grid.transform.f) / grid.transform.e).astype(int)
        seen = (rows >= 0) & (rows < grid.height) & (cols >= 0) & (cols < grid.width)
        inside += seen.sum()
        on_road += (mask[0, rows[seen], cols[seen]] == 1).sum()
    assert on_road / inside > 0.95


def test_nothing_is_replaced_without_being_asked(small, tmp_path):
    with pytest.raises(UsageError, match="--overwrite"):
        demo(output=small[0].output)
    (tmp_path / "letter.txt").write_text("keep me")
    with pytest.raises(UsageError, match="not a demo"):
        demo(output=tmp_path, overwrite=True)
    assert (tmp_path / "letter.txt").read_text() == "keep me"


@pytest.mark.parametrize("options", [{"map_side": 0}, {"seed": -1}, {"epochs": 0}])
def test_numbers_without_sense_are_refused_before_a_folder_is_made(tmp_path, options):
    with pytest.raises(UsageError, match="pixels or more"):
        demo(output=tmp_path / "demo", **options)
    assert not (tmp_path / "demo").exists()
