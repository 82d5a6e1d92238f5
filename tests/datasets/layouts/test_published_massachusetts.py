from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from made_sets import make_image, make_mask, real_data, save
from overland.datasets import read_dataset, read_sample
from overland.datasets.layouts.published import layout_from_massachusetts
from overland.raster import read_image

TILES = {"train": ("10078660_15", "10078675_15"), "val": ("10228660_15",), "test": ("10378780_15",)}
TABLE = "image_id,split,tiff_image_path,tif_label_path,png_image_path,png_label_path\n"


def write_published(root: Path, *, names: tuple[str, str, str] = ("train", "valid", "test")) -> Path:
    for folder, tiles in zip(names, TILES.values(), strict=True):
        for seed, tile in enumerate(tiles):
            save(root / folder / "sat" / f"{tile}.tiff", make_image(seed))
            save(root / folder / "map" / f"{tile}.tif", make_mask(high=255))
    return root


def write_kaggle(root: Path, *, forms: tuple[str, ...] = ("tiff", "png")) -> Path:
    for form in forms:
        for split, tiles in TILES.items():
            for seed, tile in enumerate(tiles):
                save(root / form / split / f"{tile}.{form}", make_image(seed))
                suffix = "tif" if form == "tiff" else "png"
                save(root / form / f"{split}_labels" / f"{tile}.{suffix}", make_mask(high=255))
    (root / "metadata.csv").write_text(TABLE)
    (root / "label_class_dict.csv").write_text("name,r,g,b\nbackground,0,0,0\nroad,255,255,255\n")
    return root


def check(root: Path) -> None:
    dataset = read_dataset(root)
    assert {split: len(samples) for split, samples in dataset.splits.items()} == {"train": 2, "val": 1, "test": 1}
    assert dataset.legend.names == ("background", "road")
    sample = dataset.splits["train"][0]
    assert sample.group == "10078660_15"
    image, target, _ = read_sample(dataset, sample)
    assert np.array_equal(image, make_image(0).transpose(2, 0, 1))
    assert np.array_equal(target, make_mask())


def test_the_published_folders(tmp_path: Path) -> None:
    check(write_published(tmp_path))


@pytest.mark.parametrize("forms", [("tiff", "png"), ("tiff",), ("png",)])
def test_the_kaggle_folders_count_each_tile_once(tmp_path: Path, forms: tuple[str, ...]) -> None:
    check(write_kaggle(tmp_path, forms=forms))


def test_one_of_the_kaggle_folders_alone(tmp_path: Path) -> None:
    check(write_kaggle(tmp_path) / "tiff")


def test_buildings_have_the_names_and_colours_of_their_table(tmp_path: Path) -> None:
    write_kaggle(tmp_path, forms=("png",))
    red = np.zeros((24, 32, 3), np.uint8)
    red[:, 8:16, 0] = 255
    for path in (tmp_path / "png").glob("*_labels/*"):
        save(path, red)
    (tmp_path / "label_class_dict.csv").write_text("name,r,g,b\nbackground,0,0,0\nbuilding,255,0,0\n")
    dataset = read_dataset(tmp_path)
    assert dataset.legend.names == ("background", "building")
    assert np.array_equal(read_sample(dataset, dataset.splits["val"][0])[1], make_mask())


def test_folders_with_labels_that_declare_nothing_may_be_anybodys(tmp_path: Path) -> None:
    for split in ("train", "val"):
        save(tmp_path / split / "a.png", make_image(0))
        save(tmp_path / f"{split}_labels" / "a.png", make_mask(high=2))
    dataset = read_dataset(tmp_path)
    assert dataset.legend.names == ("class 0", "class 1", "class 2")
    assert not dataset.names_declared


def test_none_without_labels(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    assert layout_from_massachusetts(tmp_path) is None


@pytest.mark.real
def test_a_real_tile_of_full_size_in_the_published_folders(tmp_path: Path) -> None:
    tile = real_data() / "rasters/massachusetts/17728720_15.tif"
    labels = read_image(tile.with_name("17728720_15_labels.tif"), expand_palette=False)[0][0]
    assert labels.shape == (1500, 1500)
    for split in ("train", "valid"):
        save(tmp_path / split / "map" / "17728720_15.tif", np.where(labels == 1, 255, 0).astype(np.uint8))
        (tmp_path / split / "sat").mkdir()
        (tmp_path / split / "sat" / "17728720_15.tiff").write_bytes(tile.read_bytes())
    dataset = read_dataset(tmp_path)
    image, target, valid = read_sample(dataset, dataset.splits["val"][0])
    assert image.shape == (3, 1500, 1500)
    assert np.array_equal(target[valid] == 1, labels[valid] == 1)
