from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from overland.datasets.files import distinct_names, group_from_name, list_images, pair_by_stem, split_folders


def touch(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return list_images(folder)


def test_images_are_found_below_and_sorted(tmp_path: Path) -> None:
    found = touch(tmp_path, "b.JPG", "a/c.webp", "a/notes.txt", ".hidden.png", "d.jp2")
    assert [path.name for path in found] == ["c.webp", "b.JPG", "d.jp2"]


def test_pairs_are_by_stem_and_not_by_order(tmp_path: Path) -> None:
    images = touch(tmp_path / "i", "a.jpg", "b.jpg", "c.jpg")
    masks = touch(tmp_path / "m", "0_extra.png", "a.png", "b_mask.png", "c.tif")
    samples, issues = pair_by_stem(images, tmp_path / "i", masks, tmp_path / "m", "train")
    assert [sample.mask and sample.mask.name for sample in samples] == ["a.png", "b_mask.png", "c.tif"]
    assert [(issue.code, issue.severity) for issue in issues] == [("missing-image", "warning")]


def test_a_missing_mask_is_named(tmp_path: Path) -> None:
    images = touch(tmp_path / "i", "a.jpg", "b.jpg")
    masks = touch(tmp_path / "m", "a.png")
    _, issues = pair_by_stem(images, tmp_path / "i", masks, tmp_path / "m", "train")
    assert [issue.code for issue in issues] == ["missing-mask"]
    assert "i/b.jpg" in issues[0].message


def test_a_test_split_without_any_mask_is_fine(tmp_path: Path) -> None:
    samples, issues = pair_by_stem(touch(tmp_path / "i", "a.jpg"), tmp_path / "i", [], tmp_path / "m", "test")
    assert samples[0].mask is None
    assert issues == []


def test_two_masks_of_one_stem_are_an_error(tmp_path: Path) -> None:
    images, masks = touch(tmp_path / "i", "a.jpg"), touch(tmp_path / "m", "a.png", "a.tif")
    _, issues = pair_by_stem(images, tmp_path / "i", masks, tmp_path / "m", "train")
    assert "same-stem" in {issue.code for issue in issues}


@pytest.mark.parametrize(
    ("stem", "group"),
    [
        ("city_0_512", "city"),
        ("tile-x3-y14", "tile"),
        ("img-12", "img-12"),
        ("satImage_001", "satImage_001"),
        ("18778720_15", "18778720_15"),
    ],
)
def test_two_numbers_at_the_end_are_a_chip_of_a_scene(stem: str, group: str) -> None:
    assert group_from_name(stem) == group


def test_valid_and_validation_are_val(tmp_path: Path) -> None:
    (tmp_path / "Train").mkdir()
    (tmp_path / "valid").mkdir()
    (tmp_path / "other").mkdir()
    assert {name: path.name for name, path in split_folders(tmp_path).items()} == {"train": "Train", "val": "valid"}


def test_what_programs_leave_behind_is_no_image(tmp_path: Path) -> None:
    names = (".ipynb_checkpoints/a-checkpoint.png", "__MACOSX/a.png", "@eaDir/a.png", "._a.png", "sub/.thumbs/a.png")
    assert [path.name for path in touch(tmp_path, "a.png", *names)] == ["a.png"]


def test_names_are_compared_in_one_unicode_form(tmp_path: Path) -> None:
    images = touch(tmp_path / "i", unicodedata.normalize("NFD", "Zürich.jpg"))
    masks = touch(tmp_path / "m", unicodedata.normalize("NFC", "Zürich.png"))
    samples, issues = pair_by_stem(images, tmp_path / "i", masks, tmp_path / "m", "train")
    assert samples[0].mask == masks[0]
    assert issues == []


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (["t/images"], [""]),
        (["t/rural/images", "t/urban/images"], ["rural", "urban"]),
        (["t/a/images", "v/a/images", "v/b/images"], ["t-a", "v-a", "v-b"]),
        (["a", "a/b"], ["a", "b"]),
    ],
)
def test_folders_are_named_by_where_they_differ(folders: list[str], names: list[str]) -> None:
    assert distinct_names([Path(folder) for folder in folders]) == names
