from __future__ import annotations

from pathlib import Path

import numpy as np

from made_sets import make_image, save
from overland.datasets import read_dataset, read_sample
from overland.datasets.layouts.published import layout_from_camvid


def test_eleven_classes_void_ignored_and_drives_as_groups(tmp_path: Path) -> None:
    for split, names in (("train", ["0001TP_1", "0006R0_f2"]), ("val", ["0016E5_3"])):
        for name in names:
            save(tmp_path / split / f"{name}.png", make_image(0, (4, 6)))
            save(tmp_path / f"{split}annot" / f"{name}.png", np.arange(24, dtype=np.uint8).reshape(4, 6) % 12)
    dataset = read_dataset(tmp_path)
    assert dataset.legend.num_classes == 11
    assert dataset.legend.names[10] == "bicyclist"
    assert [sample.group for sample in dataset.splits["train"]] == ["0001TP", "0006R0"]
    target = read_sample(dataset, dataset.splits["val"][0])[1].ravel()
    assert target[:12].tolist() == [*range(11), 255]


def test_none_without_annotations(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    assert layout_from_camvid(tmp_path) is None
