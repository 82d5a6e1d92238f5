from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from made_sets import make_image, make_mask, real_data, save, write_set
from overland.datasets import read_dataset, read_sample
from overland.errors import DataError, UsageError
from overland.legend import legend_from_names
from overland.raster import open_scene, read_image, write_class_map
from overland.workflows.prepare_chips import prepare_chips
from scenes import ROAD_LEGEND, bright_roads, utm_grid, write_image, write_road_dataset


def manifest(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def pixels(path: Path) -> np.ndarray:
    return read_image(path, expand_palette=False)[0]


def test_chips_of_plain_images_are_png_and_cover_them(tmp_path: Path) -> None:
    data, out = write_set(tmp_path / "data"), tmp_path / "chips"
    values = prepare_chips(data, out, chip_size=16)
    assert values.splits["train"].images == 4
    assert values.splits["train"].chips == 16
    assert values.splits["train"].padded == 8
    assert values.splits["val"].chips == 8
    chip = pixels(out / "images/train/img-0_16_16.png")
    assert chip.shape == (3, 16, 16)
    assert np.array_equal(chip[:, :8], make_image(0).transpose(2, 0, 1)[:, 16:24, 16:32])
    assert not chip[:, 8:].any()
    mask = pixels(out / "masks/train/img-0_0_0.png")[0]
    assert np.array_equal(mask, make_mask()[:16, :16])
    assert (pixels(out / "masks/train/img-0_16_16.png")[0, 8:] == 255).all()


def test_the_folder_is_a_dataset_with_the_same_legend_and_splits(tmp_path: Path) -> None:
    data, out = write_set(tmp_path / "data", high=255), tmp_path / "chips"
    prepare_chips(data, out, chip_size=8)
    before, after = read_dataset(data), read_dataset(out)
    assert after.legend == before.legend
    assert after.label_mapping.kind == "mapping"
    assert after.notes == ()
    groups = {split: {sample.group for sample in samples} for split, samples in after.splits.items()}
    assert groups["train"] == {"img-0", "img-1", "img-2", "img-3"}
    assert groups["val"] == {"img-100", "img-101"}


def test_a_drawn_split_keeps_a_scene_together(tmp_path: Path) -> None:
    values = prepare_chips(write_set(tmp_path / "data", train=6, val=0), tmp_path / "chips", chip_size=8, seed=3)
    assert {split: part.images for split, part in values.splits.items()} == {"train": 5, "val": 1}
    scenes = {
        split: {row["scene"] for row in manifest(tmp_path / "chips") if row["split"] == split}
        for split in values.splits
    }
    assert not scenes["train"] & scenes["val"]


def test_noisy_masks_become_lossless_ids(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data, out = write_set(tmp_path / "data", yaml=None, high=255), tmp_path / "chips"
    mask = np.roll(make_mask(high=255), 3, axis=1)
    for path in list((data / "masks").rglob("*.png")):
        save(path.with_suffix(".jpg"), mask, quality=60)
        path.unlink()
    assert len(np.unique(pixels(data / "masks/train/img-0.jpg"))) > 2
    with caplog.at_level("WARNING", "overland"):
        prepare_chips(data, out, chip_size=32)
    assert "binarised at 128" in caplog.text
    assert np.array_equal(pixels(out / "masks/train/img-0_0_0.png")[0, :24], mask // 255)


def test_georeferenced_chips_lie_where_they_were_cut(tmp_path: Path) -> None:
    data, out = write_road_dataset(tmp_path / "data"), tmp_path / "chips"
    prepare_chips(data, out, chip_size=64)
    for folder in ("images", "masks"):
        with open_scene(out / folder / "train/train0_64_0.tif") as scene:
            assert scene.grid.crs == "EPSG:32633"
            assert scene.grid.transform == Affine(1, 0, 500_000, 0, -1, 5_200_000 - 64)
    image, mask = bright_roads(0, 96, 96)
    assert np.array_equal(pixels(out / "images/train/train0_64_0.tif")[:, :32], image[:, 64:, :64])
    assert np.array_equal(pixels(out / "masks/train/train0_64_0.tif")[0, :32], mask[64:, :64])


def scene_set(root: Path, image: np.ndarray, mask: np.ndarray, **options: object) -> Path:
    legend = options.pop("legend", ROAD_LEGEND)
    for split in ("train", "val"):
        path = write_image(root / split / "town.tif", image, utm_grid(*mask.shape))
        write_class_map(path.with_name("town_labels.tif"), mask, utm_grid(*mask.shape), legend)
    return root


def test_four_bands_stay_four_measurements(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(1, 99, (4, 16, 16), dtype=np.uint8)
    image[3, :4] = 0
    mask = np.eye(16, dtype=np.uint8)
    prepare_chips(scene_set(tmp_path / "data", image, mask), tmp_path / "chips", chip_size=16)
    dataset = read_dataset(tmp_path / "chips")
    got, target, valid = read_sample(dataset, dataset.splits["train"][0])
    assert np.array_equal(got, image)
    assert np.array_equal(target, mask)
    assert valid.all()


@pytest.mark.parametrize("most_pixels", [1_000, 100])
def test_mirrored_chips_have_no_label_beyond_the_edge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most_pixels: int
) -> None:
    monkeypatch.setattr("overland.datasets.prepared_chips._WHOLE_IMAGE_PIXELS", most_pixels)
    image, mask = bright_roads(0, 24, 24)
    prepare_chips(scene_set(tmp_path / "data", image, mask), tmp_path / "chips", chip_size=16, pad="reflect")
    chip = pixels(tmp_path / "chips/images/train/town_16_0.tif")
    assert np.array_equal(chip[:, 8:], image[:, 15:23, :16][:, ::-1])
    assert (pixels(tmp_path / "chips/masks/train/town_16_0.tif")[0, 8:] == 255).all()


def test_unpadded_chips_are_moved_inside(tmp_path: Path) -> None:
    image, mask = bright_roads(0, 24, 24)
    values = prepare_chips(scene_set(tmp_path / "data", image, mask), tmp_path / "chips", chip_size=16, pad="none")
    assert (values.splits["train"].chips, values.splits["train"].padded) == (4, 0)
    assert np.array_equal(pixels(tmp_path / "chips/masks/train/town_8_8.tif")[0], mask[8:, 8:])


def test_what_is_dropped_is_in_the_manifest_with_the_reason(tmp_path: Path) -> None:
    image, _ = bright_roads(0, 32, 32)
    image[:, :16, :16] = 255
    mask = np.zeros((32, 32), np.uint8)
    mask[16:, :16] = 255
    mask[16:, 16:18] = 1
    data = scene_set(tmp_path / "data", image, mask)
    values = prepare_chips(data, tmp_path / "chips", chip_size=16, drop_blank=True, min_foreground=0.1)
    train = values.splits["train"]
    assert train.dropped == {"blank": 1, "little foreground": 1, "unlabelled": 1}
    assert train.chips == 1
    assert train.class_fractions == {"background": 0.875, "road": 0.125}
    statuses = {
        (row["row_off"], row["col_off"]): row["status"]
        for row in manifest(tmp_path / "chips")
        if row["split"] == "train"
    }
    assert statuses == {
        ("0", "0"): "blank",
        ("0", "16"): "little foreground",
        ("16", "0"): "unlabelled",
        ("16", "16"): "kept",
    }
    assert values.splits["val"].chips == 2  # Scores on chosen chips would flatter.


def test_large_images_are_read_in_strips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_set(tmp_path / "data", train=1, val=1)
    prepare_chips(data, tmp_path / "whole", chip_size=10, overlap=4)
    monkeypatch.setattr("overland.datasets.prepared_chips._WHOLE_IMAGE_PIXELS", 100)
    prepare_chips(data, tmp_path / "strips", chip_size=10, overlap=4)
    files = sorted(path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*.png"))
    assert len(files) > 40
    for file in files:
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "strips" / file).read_bytes()


def test_nothing_kept_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    data = write_set(tmp_path / "data")
    with pytest.raises(DataError, match=r"No chip of train was kept .*\(4 little foreground\)"):
        prepare_chips(data, tmp_path / "chips", chip_size=32, min_foreground=0.9)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


def test_a_foreground_needs_a_background(tmp_path: Path) -> None:
    image, mask = bright_roads(0, 24, 24)
    data = scene_set(tmp_path / "data", image, mask, legend=legend_from_names(["field", "wood"]))
    with pytest.raises(UsageError, match="needs a class named background"):
        prepare_chips(data, tmp_path / "chips", chip_size=16, min_foreground=0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"chip_size": 0}, "at least 1"),
        ({"chip_size": 8, "overlap": 8}, "the overlap is 0 or more"),
        ({"chip_size": 8, "min_foreground": 1.5}, "between 0 and 1"),
        ({"chip_size": 8, "pad": "edge"}, "choose one of zero, reflect, none"),
    ],
)
def test_options_that_make_no_sense(tmp_path: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        prepare_chips(write_set(tmp_path / "data"), tmp_path / "chips", **options)


def test_only_a_folder_of_chips_is_replaced(tmp_path: Path) -> None:
    data, out = write_set(tmp_path / "data"), tmp_path / "chips"
    prepare_chips(data, out, chip_size=16)
    with pytest.raises(UsageError, match="exists already"):
        prepare_chips(data, out, chip_size=8)
    values = prepare_chips(data, out, chip_size=32, overwrite=True)
    assert len(list((out / "images/train").iterdir())) == values.splits["train"].chips == 4
    (out / "prepared.json").unlink()
    with pytest.raises(UsageError, match="not prepared by Overland"):
        prepare_chips(data, out, chip_size=8, overwrite=True)
    with pytest.raises(UsageError, match="in it or around it"):
        prepare_chips(data, data / "chips", chip_size=8)


@pytest.mark.real
@pytest.mark.parametrize(("name", "suffix"), [("deepglobe-road", ".png"), ("rasters/massachusetts", ".tif")])
def test_real_sets_keep_every_label(tmp_path: Path, name: str, suffix: str) -> None:
    data = real_data() / name
    prepare_chips(data, tmp_path / "chips", chip_size=700)
    before, after = read_dataset(data), read_dataset(tmp_path / "chips")
    whole = read_sample(before, before.splits["val"][0])
    for sample in after.splits["val"]:
        assert sample.image.suffix == suffix
        row, col = map(int, sample.image.stem.split("_")[-2:])
        image, target, _ = read_sample(after, sample)
        part = whole[1][row : row + 700, col : col + 700]
        assert np.array_equal(target[: part.shape[0], : part.shape[1]], part)
        valid = whole[2][row : row + 700, col : col + 700]
        pixels_before = whole[0][:, row : row + 700, col : col + 700]
        assert np.array_equal(image[:, : part.shape[0], : part.shape[1]][:, valid], pixels_before[:, valid])


def test_names_that_are_made_up_are_marked(tmp_path: Path) -> None:
    prepare_chips(write_set(tmp_path / "data", yaml=None), tmp_path / "chips", chip_size=32)
    assert "# The set declared no names" in (tmp_path / "chips/data.yaml").read_text()


def test_chips_stop_on_what_the_check_calls_an_error(tmp_path: Path) -> None:
    data = write_set(tmp_path / "data")
    save(data / "masks/train/img-1.png", make_mask(high=255))
    with pytest.raises(DataError, match="train/img-1.png"):
        prepare_chips(data, tmp_path / "chips", chip_size=16)
    assert not (tmp_path / "chips").exists()


def test_images_of_one_name_in_two_folders_are_chips_of_their_own(tmp_path: Path) -> None:
    root = tmp_path / "data"
    for seed, place in enumerate(("train/rural", "train/urban", "val/rural", "val/urban")):
        save(root / place / "images/0.png", make_image(seed))
        save(root / place / "masks/0.png", make_mask())
    lines = ("train: [train/rural/images, train/urban/images]", "val: [val/rural/images, val/urban/images]")
    (root / "data.yaml").write_text("\n".join([*lines, "names: [background, road]"]))
    assert prepare_chips(root, tmp_path / "chips", chip_size=32).chips == 4
    assert len(list((tmp_path / "chips/images").rglob("*.png"))) == 4


def test_no_cell_of_the_manifest_is_a_formula(tmp_path: Path) -> None:
    root = tmp_path / "data"
    for split in ("train", "val"):
        save(root / "images" / split / "=1+1.png", make_image(len(split)))
        save(root / "masks" / split / "=1+1.png", make_mask())
    (root / "data.yaml").write_text("train: images/train\nval: images/val\nnames: [background, road]")
    prepare_chips(root, tmp_path / "chips", chip_size=32)
    assert {row["scene"] for row in manifest(tmp_path / "chips")} == {"'=1+1"}
