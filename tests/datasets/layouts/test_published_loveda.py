from __future__ import annotations

from pathlib import Path

from made_sets import make_image, make_mask, save
from overland.datasets import read_dataset, read_sample


def test_values_1_to_7_are_the_classes_and_areas_keep_names_apart(tmp_path: Path) -> None:
    for split in ("Train", "Val"):
        for seed, area in enumerate(("Rural", "Urban")):
            save(tmp_path / split / area / "images_png/0.png", make_image(seed + 10 * (split == "Val")))
            save(tmp_path / split / area / "masks_png/0.png", make_mask(high=7))
    save(tmp_path / "Test/Rural/images_png/5.png", make_image(99))
    dataset = read_dataset(tmp_path)
    assert dataset.legend.num_classes == 7
    assert [sample.key for sample in dataset.splits["train"]] == ["train/rural/0", "train/urban/0"]
    assert dataset.splits["test"][0].mask is None
    labels = read_sample(dataset, dataset.splits["val"][0])[1]
    assert sorted(set(labels.ravel().tolist())) == [6, 255]
