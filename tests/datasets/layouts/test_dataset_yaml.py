from __future__ import annotations

from pathlib import Path

import pytest

from made_sets import make_image, make_mask, save, write_set
from overland.datasets import read_dataset, read_sample
from overland.datasets.layouts.dataset_yaml import layout_from_yaml
from overland.errors import DataError


def yaml_with(root: Path, text: str) -> Path:
    write_set(root, None)
    (root / "data.yaml").write_text(text)
    return root


FULL = "path: .\ntrain: images/train\nval: images/val\nmasks_dir: masks\n"


@pytest.mark.parametrize("names", ["names: [background, road]", "names: {0: background, 1: road}"])
def test_names_are_a_list_or_a_table(tmp_path: Path, names: str) -> None:
    dataset = read_dataset(write_set(tmp_path, names))
    assert dataset.legend.names == ("background", "road")


def test_the_yaml_itself_may_be_named(tmp_path: Path) -> None:
    write_set(tmp_path)
    assert read_dataset(tmp_path / "data.yaml").splits.keys() == {"train", "val"}


def test_the_path_may_name_the_folder_of_the_yaml(tmp_path: Path) -> None:
    text = FULL.replace("path: .", "path: roads") + "names: [background, road]"
    assert len(read_dataset(yaml_with(tmp_path / "roads", text)).splits["train"]) == 4


def test_valid_is_val_and_other_keys_of_ultralytics_do_nothing(tmp_path: Path) -> None:
    text = FULL.replace("val:", "valid:") + "names: [background, road]\nnc: 2\nchannels: 3\n"
    dataset = read_dataset(yaml_with(tmp_path, text + f"download: touch {tmp_path}/ran\n"))
    assert len(dataset.splits["val"]) == 2
    assert not (tmp_path / "ran").exists()


def test_label_mapping_with_ignore_label(tmp_path: Path) -> None:
    dataset = read_dataset(
        write_set(tmp_path, "names: [background, road]\nlabel_mapping: {0: 1, 9: ignore_label, -1: 255}", high=9)
    )
    target = read_sample(dataset, dataset.splits["train"][0])[1]
    assert dataset.label_mapping.mapping == {0: 1, 9: 255, -1: 255}
    assert set(target.ravel()) == {1, 255}


@pytest.mark.parametrize("key", ["palette", "colors"])
def test_a_palette_reads_colour_masks(tmp_path: Path, key: str) -> None:
    write_set(tmp_path, f"names: [field, road]\n{key}: {{0: [128, 64, 128], 1: [10, 10, 200]}}")
    for path in (tmp_path / "masks").rglob("*.png"):
        pixels = make_image(0)
        pixels[:] = 128, 64, 128
        pixels[:, 8:16] = 10, 10, 200
        save(path, pixels)
    dataset = read_dataset(tmp_path)
    assert dataset.legend.colors == ((128, 64, 128), (10, 10, 200))
    assert (read_sample(dataset, dataset.splits["train"][0])[1] == make_mask()).all()


def test_the_pixel_size_of_images_without_a_place(tmp_path: Path) -> None:
    assert read_dataset(yaml_with(tmp_path, FULL + "names: [a, b]")).pixel_size_m is None
    (tmp_path / "data.yaml").write_text(FULL + "names: [a, b]\npixel_size: 0.5\n")
    assert read_dataset(tmp_path).pixel_size_m == 0.5


def test_a_list_of_images_is_a_source(tmp_path: Path) -> None:
    text = FULL.replace("train: images/train", "train: some.txt") + "names: [background, road]"
    yaml_with(tmp_path, text)
    (tmp_path / "some.txt").write_text("images/train/img-3.png\n./images/train/img-1.png\n")
    assert [sample.key for sample in read_dataset(tmp_path).splits["train"]] == ["train/img-3", "train/img-1"]


def test_several_folders_are_a_source_with_keys_that_differ(tmp_path: Path) -> None:
    write_set(tmp_path, None)
    for folder in ("a", "b"):
        save(tmp_path / f"images/{folder}/1.png", make_image(7))
        save(tmp_path / f"masks/{folder}/1.png", make_mask())
    text = FULL.replace("train: images/train", "train: [images/a, images/b]") + "names: [background, road]"
    (tmp_path / "data.yaml").write_text(text)
    assert [sample.key for sample in read_dataset(tmp_path).splits["train"]] == ["train/a/1", "train/b/1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (FULL + "name: [a, b]", r"unknown key 'name'. Did you mean names\?"),
        (FULL + "zzzzzz: 1\nnames: [a, b]", r"unknown key 'zzzzzz'. Known are path, train"),
        (FULL, "needs names with at least two classes"),
        (FULL + "names: [road]", "at least two classes"),
        (FULL + "names: {0: a, 2: b}", r"without a gap; got \[0, 2\]"),
        (FULL + "names: {x: a, y: b}", "'x' where a whole number is needed"),
        (FULL + "names: [a, b]\nnc: 3", "nc: 3 and names 2"),
        (FULL + "names: [a, b]\nlabel_mapping: {0: 5}", "maps to the class 5, and the classes are 0 to 1"),
        (FULL + "names: [a, b]\nlabel_mapping: [0, 1]", "label_mapping that is no table"),
        (FULL + "names: [a, b]\npalette: {0: [0, 0, 0]}", "without a colour for every class"),
        (FULL + "names: [a, b]\npalette: {0: [0, 0, 300], 1: red}", "a colour is"),
        ("path: .\nnames: [a, b]", "names no images"),
        ("path: elsewhere\ntrain: images/train\nnames: [a, b]", "path: elsewhere, which is no folder"),
        ("path: .\ntrain: images/trian\nnames: [a, b]", r"images/trian does not exist. Folders in .*: images, masks"),
        ("path: .\ntrain: masks/train\nnames: [a, b]", "has no folder named images"),
        ("a: [", "not valid YAML"),
        ("just words", "is no dataset YAML"),
        (FULL + "names: [a, b]\npixel_size: 0", "pixel_size: 0; write the side of a pixel in metres"),
        (FULL + "names: [a, b]\npixel_size: fine", "pixel_size: fine"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_dataset(yaml_with(tmp_path, text))


def test_two_descriptions_in_one_folder_are_refused(tmp_path: Path) -> None:
    write_set(tmp_path)
    (tmp_path / "dataset.yaml").write_text(FULL)
    with pytest.raises(DataError, match=r"data.yaml and dataset.yaml; name the one"):
        read_dataset(tmp_path)


NAMES = "names: [background, road]"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_a_list_of_any_system_is_read(tmp_path: Path, encoding: str) -> None:
    yaml_with(tmp_path, FULL.replace("train: images/train", "train: some.txt") + NAMES)
    (tmp_path / "some.txt").write_bytes("images\\train\\img-3.png\r\nimages/train/img-1.png".encode(encoding))
    assert [sample.key for sample in read_dataset(tmp_path).splits["train"]] == ["train/img-3", "train/img-1"]


def test_an_image_that_is_listed_twice_counts_once_and_is_told(tmp_path: Path) -> None:
    yaml_with(tmp_path, FULL.replace("train: images/train", "train: some.txt") + NAMES)
    (tmp_path / "some.txt").write_text("images/train/img-3.png\nimages/train/img-1.png\nimages/train/img-3.png\n")
    assert [sample.key for sample in read_dataset(tmp_path).splits["train"]] == ["train/img-3", "train/img-1"]
    issues = layout_from_yaml(tmp_path / "data.yaml").problems
    assert [(issue.code, issue.severity) for issue in issues] == [("listed-twice", "warning")]


def test_roboflows_paths_and_a_test_split_that_was_left_out(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        save(tmp_path / split / "images/a.png", make_image(len(split)))
        save(tmp_path / split / "masks/a.png", make_mask())
    lines = ("train: ../train/images", "val: ../valid/images", "test: ../test/images", "nc: 2", NAMES)
    (tmp_path / "data.yaml").write_text("\n".join(lines))
    dataset = read_dataset(tmp_path)
    assert {split: len(samples) for split, samples in dataset.splits.items()} == {"train": 1, "val": 1}
    assert dataset.notes == ("Left out: test, for ../test/images does not exist.",)


def test_masks_dir_replaces_the_last_folder_where_none_is_called_images(tmp_path: Path) -> None:
    for split in ("train", "val"):
        save(tmp_path / split / "rgb/a.png", make_image(len(split)))
        save(tmp_path / split / "label/a.png", make_mask())
    (tmp_path / "data.yaml").write_text(f"train: train/rgb\nval: val/rgb\nmasks_dir: label\n{NAMES}")
    assert read_dataset(tmp_path).splits["train"][0].mask == tmp_path / "train/label/a.png"


def test_minus_one_is_no_label(tmp_path: Path) -> None:
    dataset = read_dataset(write_set(tmp_path, f"{NAMES}\nlabel_mapping: {{0: 0, 9: -1}}", high=9))
    assert dataset.label_mapping.mapping == {0: 0, 9: 255}


def test_names_are_what_is_written(tmp_path: Path) -> None:
    assert read_dataset(write_set(tmp_path, "names: {0: no, 1: yes}")).legend.names == ("no", "yes")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names: [null, road]", "has the class name None"),
        ('names: [background, "ro\\ad"]', "control characters"),
        ("names: {0: background, 1: road, 1: building}", "the key 1 stands twice"),
        ("names: [a, b]\nmasks_dir: masks", "the key masks_dir stands twice"),
        ("names: [a, b]\npalette: red", "a palette that is no table"),
    ],
)
def test_yaml_that_says_something_else_than_it_seems_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_dataset(yaml_with(tmp_path, FULL + text))


def test_equal_names_in_several_folders_are_samples_of_their_own(tmp_path: Path) -> None:
    for seed, place in enumerate(("a/rural", "a/urban", "b/rural", "b/urban")):
        for index in range(2):
            save(tmp_path / place / f"images/{index}.png", make_image(2 * seed + index))
            save(tmp_path / place / f"masks/{index}.png", make_mask())
    text = f"train: [a/rural/images, a/urban/images, b/rural/images, b/urban/images]\n{NAMES}"
    (tmp_path / "data.yaml").write_text(text)
    samples = [sample for split in read_dataset(tmp_path).splits.values() for sample in split]
    assert len({sample.key for sample in samples}) == len({sample.group for sample in samples}) == 8
    assert "train/a-rural/0" in {sample.key for sample in samples}
