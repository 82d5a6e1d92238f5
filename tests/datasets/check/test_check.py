"""The faults of the wild, each made in a set that is otherwise right; each is named, and nothing else is."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from made_sets import make_image, make_mask, real_data, save, write_set
from overland.datasets import read_dataset
from overland.datasets.check import check_before_use, check_dataset
from overland.errors import DataError
from overland.geo.grid import Grid
from overland.raster import create_raster

MAPPED = "names: {0: background, 1: road}\nlabel_mapping: {0: 0, 255: 1}"


def codes(root: Path) -> set[str]:
    return {issue.code for issue in check_dataset(root).issues}


def test_a_set_that_is_right_has_no_issue(tmp_path: Path) -> None:
    report = check_dataset(write_set(tmp_path, MAPPED, high=255))
    assert report.issues == ()
    assert report.ok


def test_the_profile_of_a_split(tmp_path: Path) -> None:
    profile = check_dataset(write_set(tmp_path, MAPPED, high=255)).splits["train"]
    assert profile.images == profile.labelled == profile.groups == 4
    assert (profile.sizes, profile.bands, profile.dtypes) == ({"32x24": 4}, {"3": 4}, {"uint8": 4})
    assert profile.mask_values == {"0": 0.75, "255": 0.25}
    assert profile.class_fractions == {"background": 0.75, "road": 0.25}
    # 1 / sqrt(fraction), divided by their mean: 1.1547 and 2 of 1.5774.
    assert profile.class_weights == {
        "background": pytest.approx(0.732, abs=1e-3),
        "road": pytest.approx(1.268, abs=1e-3),
    }
    assert profile.class_images == {"background": 4, "road": 4}


def lose_mask(root: Path) -> None:
    (root / "masks/train/img-1.png").unlink()


def orphan_mask(root: Path) -> None:
    save(root / "masks/val/stray.png", make_mask(high=255))


def resize_mask(root: Path) -> None:
    save(root / "masks/train/img-1.png", make_mask((20, 32), high=255))


def swap_sizes(root: Path) -> None:
    save(root / "images/train/img-1.png", make_image(1, (20, 30)))
    save(root / "masks/train/img-2.png", make_mask((20, 30), high=255))


def repeat_across(root: Path) -> None:
    shutil.copy(root / "images/train/img-0.png", root / "images/val/copy.png")
    shutil.copy(root / "masks/train/img-0.png", root / "masks/val/copy.png")


def repeat_within(root: Path) -> None:
    shutil.copy(root / "images/train/img-0.png", root / "images/train/copy.png")
    shutil.copy(root / "masks/train/img-0.png", root / "masks/train/copy.png")


def cut_image(root: Path) -> None:
    path = root / "images/train/img-1.png"
    path.write_bytes(path.read_bytes()[:200])


def cut_mask(root: Path) -> None:
    path = root / "masks/train/img-0.png"
    path.write_bytes(path.read_bytes()[:60])


def strange_value(root: Path) -> None:
    mask = make_mask(high=255)
    mask[0, 0] = 77
    save(root / "masks/train/img-1.png", mask)


def blank_image(root: Path) -> None:
    save(root / "images/train/img-1.png", np.zeros((24, 32, 3), np.uint8))


def mostly_empty_image(root: Path) -> None:
    pixels = make_image(1)
    pixels[:14] = 255
    save(root / "images/train/img-1.png", pixels)


def grey_image(root: Path) -> None:
    save(root / "images/train/img-1.png", make_image(1)[:, :, 0])


def unlabelled_mask(root: Path) -> None:
    (root / "data.yaml").write_text((root / "data.yaml").read_text().replace("255: 1", "255: 1, 9: ignore_label"))
    save(root / "masks/train/img-1.png", np.full((24, 32), 9, np.uint8))


def no_road_in_val(root: Path) -> None:
    for path in (root / "masks/val").iterdir():
        save(path, make_mask(high=0))


def no_road_at_all(root: Path) -> None:
    for path in (root / "masks").rglob("*.png"):
        save(path, make_mask(high=0))


def scene_in_both(root: Path) -> None:
    for split, names in (("train", ("a_0_0", "b_0_0")), ("val", ("a_0_512",))):
        for name in names:
            save(root / f"images/{split}/{name}.png", make_image(sum(name.encode())))
            save(root / f"masks/{split}/{name}.png", make_mask(high=255))


@pytest.mark.parametrize(
    ("spoil", "code", "severity"),
    [
        (lose_mask, "missing-mask", "error"),
        (orphan_mask, "missing-image", "warning"),
        (resize_mask, "size-differs", "error"),
        (swap_sizes, "swapped-files", "error"),
        (repeat_across, "duplicate-across-splits", "warning"),
        (repeat_within, "duplicate-image", "warning"),
        (cut_image, "unreadable-file", "error"),
        (cut_mask, "unreadable-file", "error"),
        (blank_image, "blank-image", "warning"),
        (mostly_empty_image, "empty-imagery", "warning"),
        (grey_image, "mixed-images", "error"),
        (unlabelled_mask, "unlabelled-mask", "warning"),
        (no_road_in_val, "class-absent-in-split", "warning"),
        (no_road_at_all, "class-absent", "error"),
        (scene_in_both, "group-in-two-splits", "warning"),
    ],
)
def test_a_fault_is_named_and_nothing_else(
    tmp_path: Path, spoil: Callable[[Path], None], code: str, severity: str
) -> None:
    spoil(write_set(tmp_path, MAPPED, high=255))
    report = check_dataset(tmp_path)
    assert [(issue.code, issue.severity) for issue in report.issues] == [(code, severity)]
    assert report.ok == (severity != "error")


def test_a_value_of_no_class_is_named_with_its_file(tmp_path: Path) -> None:
    write_set(tmp_path, "names: [background, road, water]\nlabel_mapping: {0: 0, 255: 1, 5: 2}", high=255)
    strange_value(tmp_path)
    issues = {issue.code: issue for issue in check_dataset(tmp_path).issues}
    assert "77" in issues["unknown-value"].message
    assert issues["unknown-value"].files == (tmp_path / "masks/train/img-1.png",)


def test_masks_of_two_codings_are_named(tmp_path: Path) -> None:
    write_set(tmp_path)
    save(tmp_path / "masks/train/img-1.png", make_mask(high=255))
    issues = check_dataset(tmp_path).issues
    assert [(issue.code, issue.severity) for issue in issues] == [("mixed-coding", "error")]
    assert issues[0].files == (tmp_path / "masks/train/img-1.png",)


def test_ids_with_unlabelled_pixels_are_one_coding(tmp_path: Path) -> None:
    write_set(tmp_path)
    mask = make_mask()
    mask[0] = 255
    save(tmp_path / "masks/train/img-1.png", mask)
    save(tmp_path / "masks/train/img-2.png", make_mask(high=255))
    assert check_dataset(tmp_path).issues == ()


def test_an_id_in_a_set_of_0_and_255_is_named(tmp_path: Path) -> None:
    write_set(tmp_path, MAPPED, high=255)
    save(tmp_path / "masks/train/img-1.png", make_mask(high=1))
    assert codes(tmp_path) == {"unknown-value"}


def test_unmapped_masks_are_named_with_the_line_that_settles_it(tmp_path: Path) -> None:
    report = check_dataset(write_set(tmp_path, high=255))
    assert [issue.code for issue in report.issues] == ["unmapped-mask"]
    assert "label_mapping: {0: 0, 255: 1}" in report.issues[0].message
    assert report.splits["train"].class_fractions["road"] == 0.25


def test_jpeg_masks_are_named(tmp_path: Path) -> None:
    write_set(tmp_path)
    for path in sorted((tmp_path / "masks").rglob("*.png")):
        save(path.with_suffix(".jpg"), np.tri(24, 32, dtype=np.uint8) * 255, quality=60)
        path.unlink()
    assert codes(tmp_path) == {"jpeg-mask", "mask-noise"}


def test_ambiguous_masks_are_an_issue_and_the_rest_is_still_looked_at(tmp_path: Path) -> None:
    write_set(tmp_path, high=100)
    repeat_across(tmp_path)
    report = check_dataset(tmp_path)
    assert {issue.code for issue in report.issues} == {"ambiguous-masks", "duplicate-across-splits"}
    assert report.choice is None


def test_a_folder_without_yaml_gets_the_lines_of_one(tmp_path: Path) -> None:
    report = check_dataset(write_set(tmp_path, None))
    assert [(issue.code, issue.severity) for issue in report.issues] == [("no-dataset-yaml", "info")]
    lines = report.issues[0].message.split("\n")[1:]
    (tmp_path / "data.yaml").write_text("\n".join(line[2:] for line in lines))
    assert check_dataset(tmp_path).issues == ()


def test_the_lines_for_masks_of_0_and_255_settle_the_mapping_too(tmp_path: Path) -> None:
    issues = {issue.code: issue for issue in check_dataset(write_set(tmp_path, None, high=255)).issues}
    lines = issues["no-dataset-yaml"].message.split("\n")[1:]
    (tmp_path / "data.yaml").write_text("\n".join(line[2:] for line in lines))
    assert check_dataset(tmp_path).issues == ()


def test_one_issue_stands_for_many_files(tmp_path: Path) -> None:
    write_set(tmp_path, MAPPED, high=255, train=12)
    for index in range(8):
        save(tmp_path / f"masks/train/img-{index}.png", make_mask((20, 32), high=255))
        (tmp_path / f"images/train/img-{index}.png").write_bytes(b"no image")
    issues = check_dataset(tmp_path).issues
    assert [issue.code for issue in issues] == ["unreadable-file"]
    assert len(issues[0].files) == 8
    assert len(issues[0].to_dict()["files"]) == 5


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (resize_mask, "have different sizes"),
        (swap_sizes, "two files were swapped"),
        (grey_image, "differ in bands or pixel type"),
        (cut_mask, "img-0.png"),
        (no_road_at_all, "a model can never learn it"),
    ],
)
def test_the_quick_look_before_use_stops_on_what_the_check_calls_an_error(
    tmp_path: Path, spoil: Callable[[Path], None], message: str
) -> None:
    spoil(write_set(tmp_path, MAPPED, high=255))
    with pytest.raises(DataError, match=message):
        check_before_use(read_dataset(tmp_path))


def test_the_quick_look_names_masks_in_two_codings(tmp_path: Path) -> None:
    write_set(tmp_path)
    save(tmp_path / "masks/train/img-1.png", make_mask(high=255))
    with pytest.raises(DataError, match=r"1 mask with 0 and 255 where the others hold 0 and 1: train/img-1.png"):
        check_before_use(read_dataset(tmp_path))


@pytest.mark.parametrize("spoil", [repeat_across, blank_image, no_road_in_val, scene_in_both, orphan_mask])
def test_the_quick_look_lets_pass_what_the_check_warns_of(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    spoil(write_set(tmp_path, MAPPED, high=255))
    assert check_before_use(read_dataset(tmp_path)) == ()


def test_bands_that_are_chosen_may_be_of_images_with_more(tmp_path: Path) -> None:
    grey_image(write_set(tmp_path, MAPPED, high=255))
    assert check_before_use(read_dataset(tmp_path), bands=(1,)) == ()


def rewrite(root: Path, change: Callable[[np.ndarray], np.ndarray], **options: object) -> None:
    for path in sorted((root / "images").rglob("*.png")):
        pixels = change(np.asarray(Image.open(path)).transpose(2, 0, 1))
        grid = Grid(height=24, width=32)
        with create_raster(
            path.with_suffix(".tif"), grid, count=len(pixels), dtype=str(pixels.dtype), **options
        ) as writer:
            writer.write(pixels, grid.window)
        path.unlink()


def test_a_fill_value_is_named_and_no_shift_is_made_of_it(tmp_path: Path) -> None:
    def filled(pixels: np.ndarray) -> np.ndarray:
        values = pixels.astype(np.float32) / 255
        values[:, :4] = -9999
        return values

    rewrite(write_set(tmp_path, MAPPED, high=255), filled)
    issues = check_dataset(tmp_path).issues
    assert [(issue.code, issue.severity) for issue in issues] == [("undeclared-fill", "error")]
    assert "-9999" in issues[0].message


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("roads-epfl", {"mask-noise"}),
        ("roads-cil", set()),
        ("roads-massachusetts", {"blank-image", "empty-imagery"}),
        ("deepglobe-road", set()),
        ("rasters/massachusetts", set()),
    ],
)
def test_real_sets_have_the_faults_that_they_have(name: str, expected: set[str]) -> None:
    assert codes(real_data() / name) == expected
