from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from made_sets import make_image, make_mask
from overland.datasets import read_dataset, read_sample
from overland.datasets.layouts.folders import layout_from_scenes
from overland.geo.grid import Grid
from overland.legend import legend_from_names
from overland.raster.write import create_raster, write_class_map

GRID = Grid(height=24, width=32, transform=Affine(0.5, 0, 1000, 0, -0.5, 2000), crs="EPSG:32633")


def write_scene(path: Path, seed: int, ending: str | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with create_raster(path, GRID, count=3) as writer:
        writer.write(make_image(seed).transpose(2, 0, 1), GRID.window)
    if ending:
        mask = make_mask()
        mask[0] = 255
        with create_raster(path.with_name(f"{path.stem}{ending}.tif"), GRID) as writer:
            writer.write(mask, GRID.window)


@pytest.mark.parametrize("ending", ["_labels", "_label", "_mask"])
def test_labels_beside_scenes(tmp_path: Path, ending: str) -> None:
    for seed in range(3):
        write_scene(tmp_path / f"scene{seed}.tif", seed, ending)
    write_scene(tmp_path / "bare.tif", 9, None)
    dataset = read_dataset(tmp_path)
    assert {split: len(samples) for split, samples in dataset.splits.items()} == {"train": 2, "val": 1}
    assert "1 scene without labels" in dataset.notes[0]
    target = read_sample(dataset, dataset.splits["val"][0])[1]
    assert (target[0] == 255).all()
    assert np.array_equal(target[1:], make_mask()[1:])


def test_splits_below_the_folder(tmp_path: Path) -> None:
    write_scene(tmp_path / "train/a.tif", 0, "_labels")
    write_scene(tmp_path / "valid/b.tif", 1, "_labels")
    assert {split: s[0].key for split, s in read_dataset(tmp_path).splits.items()} == {
        "train": "train/a",
        "val": "val/b",
    }


def test_class_names_in_the_label_file_are_used(tmp_path: Path) -> None:
    write_scene(tmp_path / "a.tif", 0, None)
    legend = legend_from_names(["other", "road"], [(1, 2, 3), (4, 5, 6)])
    write_class_map(tmp_path / "a_labels.tif", make_mask(), GRID, legend)
    dataset = read_dataset(tmp_path)
    assert dataset.legend == legend


def test_none_without_labels(tmp_path: Path) -> None:
    write_scene(tmp_path / "a.tif", 0, None)
    assert layout_from_scenes(tmp_path) is None


def test_files_that_macos_leaves_are_no_scenes(tmp_path: Path) -> None:
    for seed in range(2):
        write_scene(tmp_path / f"scene{seed}.tif", seed, "_labels")
        for ending in ("", "_labels"):
            (tmp_path / f"._scene{seed}{ending}.tif").write_bytes(b"\0\5\x16\7")
    dataset = read_dataset(tmp_path)
    assert sorted(s.image.name for samples in dataset.splits.values() for s in samples) == ["scene0.tif", "scene1.tif"]
