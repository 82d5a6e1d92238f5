from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from overland.raster import open_scene, read_image
from overland.web.app.results import Cache, MappedImage, MapState


def ids(path: Path) -> np.ndarray:
    return read_image(path, expand_palette=False)[0][0]


def test_a_threshold_is_applied_without_the_model(result: MappedImage) -> None:
    assert MapState(result).mask == result.mask
    low, high = ids(MapState(result, 0.05).mask), ids(MapState(result, 0.99).mask)
    assert low.sum() > ids(result.mask).sum() > high.sum()


def test_the_tuned_threshold_is_the_map_itself(result: MappedImage) -> None:
    assert MapState(result, result.bundle.threshold).mask == result.mask


def test_a_clean_up_says_what_it_changed(result: MappedImage) -> None:
    state = MapState(result, cleanup={"remove_objects": 2000})
    assert 0 < state.changed_fraction < 1
    assert MapState(result).changed_fraction is None
    with open_scene(state.mask) as cleaned, open_scene(result.mask) as raw:
        assert cleaned.grid == raw.grid


def test_everything_is_made_once_and_in_the_own_folder(result: MappedImage) -> None:
    state = MapState(result, 0.3, {"preset": "median"})
    first = state.mask, *state.vectors("roads"), state.areas
    before = {path: path.stat().st_mtime_ns for path in result.folder.iterdir()}
    assert (state.mask, *state.vectors("roads"), state.areas) == first
    assert {path: path.stat().st_mtime_ns for path in result.folder.iterdir()} == before


def test_two_images_of_one_name_do_not_meet(result: MappedImage, tmp_path: Path) -> None:
    other = MappedImage(
        result.name, result.model, result.bundle, result.image, tmp_path / "other.tif", None, result.folder
    )
    assert other.file(".tif", "clean") != result.file(".tif", "clean")


@pytest.mark.parametrize(
    ("name", "stem"), [("../../A scene, of Mine!.tif", "a-scene-of-mine"), ("漢.tif", "map"), ("", "map")]
)
def test_a_name_never_is_a_path(result: MappedImage, name: str, stem: str) -> None:
    result.name = name
    assert result.stem == stem


def test_memory_forgets_the_oldest_with_its_file(tmp_path: Path) -> None:
    memory = Cache(2)
    paths = [tmp_path / name for name in "abc"]
    for path in paths:
        path.write_text("")
        memory.once(path.name, lambda path=path: path)
    assert [path.exists() for path in paths] == [False, True, True]
    memory.once("b", lambda: pytest.fail("it is there"))
    memory.once("d", lambda: None)
    assert [path.exists() for path in paths] == [False, True, False]
