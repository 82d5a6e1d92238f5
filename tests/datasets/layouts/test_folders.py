from __future__ import annotations

from pathlib import Path

from made_sets import make_image, make_mask, save, write_set
from overland.datasets import read_dataset
from overland.datasets.layouts.folders import layout_from_folders


def test_flat_folders_are_split_with_a_note(tmp_path: Path) -> None:
    for index in range(10):
        save(tmp_path / f"images/{index:02}.jpg", make_image(index))
        save(tmp_path / f"masks/{index:02}.png", make_mask())
    dataset = read_dataset(tmp_path)
    assert {split: len(samples) for split, samples in dataset.splits.items()} == {"train": 8, "val": 2}
    assert dataset.legend.names == ("background", "foreground")
    assert [note.split(":")[0] for note in dataset.notes] == [
        "No val split is given",
        "No class names are declared; the masks were read as",
    ]


def test_splits_below_images_and_masks(tmp_path: Path) -> None:
    write_set(tmp_path, None)
    assert {split: len(samples) for split, samples in read_dataset(tmp_path).splits.items()} == {
        "train": 4,
        "val": 2,
    }


def test_images_and_masks_below_splits_and_the_yaml_that_says_so(tmp_path: Path) -> None:
    for folder in ("train", "validation"):
        save(tmp_path / folder / "images/a.png", make_image(0))
        save(tmp_path / folder / "labels/a.png", make_mask())
    layout = layout_from_folders(tmp_path)
    assert layout is not None
    assert {split: samples[0].key for split, samples in layout.splits.items()} == {"train": "train/a", "val": "val/a"}
    lines = ("path: .", "train: train/images", "val: validation/images", "masks_dir: labels")
    assert layout.yaml_lines == lines
    (tmp_path / "data.yaml").write_text("\n".join([*lines, "names: [background, road]"]))
    assert read_dataset(tmp_path).legend.names[1] == "road"


def test_none_without_both_folders(tmp_path: Path) -> None:
    save(tmp_path / "images/a.png", make_image(0))
    assert layout_from_folders(tmp_path) is None


def test_folders_are_found_in_any_case(tmp_path: Path) -> None:
    for split in ("train", "val"):
        save(tmp_path / split / "Image/a.png", make_image(len(split)))
        save(tmp_path / split / "Mask/a.png", make_mask())
    layout = layout_from_folders(tmp_path)
    assert layout is not None
    assert layout.yaml_lines[-1] == "masks_dir: Mask"
    (tmp_path / "data.yaml").write_text("\n".join([*layout.yaml_lines, "names: [background, building]"]))
    assert [len(samples) for samples in read_dataset(tmp_path).splits.values()] == [1, 1]
