from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from made_sets import make_image, make_mask, save, write_set
from overland.datasets import read_dataset, read_sample
from overland.errors import DataError, UsageError
from overland.workflows.prepare_channels import prepare_channels
from scenes import write_image


def test_channels_with_one_stem_and_8_bit_ids(tmp_path: Path) -> None:
    values = prepare_channels(write_set(tmp_path / "data", high=255), tmp_path / "out")
    assert values.images == {"train": 4, "validation": 2}
    assert values.hyperparameters == {"num_classes": "2", "num_training_samples": "4"}
    for channel in ("train", "validation"):
        images = {path.stem for path in (tmp_path / "out" / channel).glob("*.jpg")}
        assert images == {path.stem for path in (tmp_path / "out" / f"{channel}_annotation").glob("*.png")}
    with Image.open(tmp_path / "out/train_annotation/img-0.png") as mask:
        assert mask.mode == "L"
        assert np.array_equal(np.asarray(mask), make_mask())
    with Image.open(tmp_path / "out/train/img-0.jpg") as image:
        assert image.format == "JPEG"
        assert image.mode == "RGB"
    label_map = json.loads((tmp_path / "out/label_map/train_label_map.json").read_text())
    assert label_map == {"map": {"0": 0, "1": 1}}


def test_what_is_written_reads_back_the_same(tmp_path: Path) -> None:
    data = write_set(tmp_path / "data", high=255)
    prepare_channels(data, tmp_path / "out")
    before, after = read_dataset(data), read_dataset(tmp_path / "out")
    assert after.legend == before.legend
    assert after.names_declared
    for split in ("train", "val"):
        for one, other in zip(before.splits[split], after.splits[split], strict=True):
            image, target, _ = read_sample(before, one)
            image_again, target_again, _ = read_sample(after, other)
            assert np.array_equal(target, target_again)
            assert abs(image.astype(int) - image_again).mean() < 6  # Noise is what JPEG keeps worst.


def test_a_jpeg_is_copied_as_it_is(tmp_path: Path) -> None:
    data = write_set(tmp_path / "data")
    (data / "images/train/img-0.png").unlink()
    source = save(data / "images/train/img-0.jpg", make_image(0), quality=50)
    prepare_channels(data, tmp_path / "out")
    assert (tmp_path / "out/train/img-0.jpg").read_bytes() == source.read_bytes()


def test_sub_folders_become_part_of_the_name(tmp_path: Path) -> None:
    data = write_set(tmp_path / "data")
    for folder, array in (("images", make_image(7)), ("masks", make_mask())):
        save(data / folder / "train/ulm/img-0.png", array)
    prepare_channels(data, tmp_path / "out")
    assert (tmp_path / "out/train_annotation/ulm_img-0.png").is_file()
    save(data / "images/train/ulm_img-0.png", make_image(8))
    save(data / "masks/train/ulm_img-0.png", make_mask())
    with pytest.raises(DataError, match=r"would both be ulm_img-0\.jpg"):
        prepare_channels(data, tmp_path / "more")
    assert not list(tmp_path.glob("more*"))


def test_test_images_are_left_out_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = write_set(tmp_path / "data")
    save(data / "images/test/a.png", make_image(9))
    (data / "data.yaml").write_text((data / "data.yaml").read_text() + "test: images/test\n")
    with caplog.at_level("INFO", "overland"):
        assert prepare_channels(data, tmp_path / "out").left_out == {"test": 1}
    assert "no channel" in caplog.text


def test_images_that_jpeg_cannot_hold_are_refused(tmp_path: Path) -> None:
    data = write_set(tmp_path / "data", train=2)
    (data / "images/train/img-0.png").unlink()
    write_image(data / "images/train/img-0.tif", np.zeros((4, 24, 32), np.uint16))
    with pytest.raises(DataError, match="4 bands of uint16"):
        prepare_channels(data, tmp_path / "out")
    with pytest.raises(UsageError, match="quality is 0"):
        prepare_channels(data, tmp_path / "out", quality=0)
