from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from made_sets import make_image, make_mask, real_data, save, write_set
from overland.datasets import Sample, read_dataset, read_sample
from overland.datasets.layouts import Layout, data_name
from overland.errors import DataError, UsageError


def test_nothing_known_lists_what_was_looked_for_and_what_is_there(tmp_path: Path) -> None:
    save(tmp_path / "photo.png", make_image(0))
    (tmp_path / "more").mkdir()
    with pytest.raises(DataError, match=r"images/ with masks/.*Found more/, photo.png\."):
        read_dataset(tmp_path)


@pytest.mark.parametrize("name", ["nowhere", "photo.png"])
def test_what_is_no_dataset_is_refused(tmp_path: Path, name: str) -> None:
    save(tmp_path / "photo.png", make_image(0))
    with pytest.raises(DataError, match=name):
        read_dataset(tmp_path / name)


def test_a_missing_mask_keeps_the_dataset_from_being_used(tmp_path: Path) -> None:
    write_set(tmp_path)
    (tmp_path / "masks/train/img-2.png").unlink()
    with pytest.raises(DataError, match=r"1 of 4 images in train without a mask: train/img-2.png"):
        read_dataset(tmp_path)


def test_the_rule_for_0_and_255_is_in_the_notes(tmp_path: Path) -> None:
    dataset = read_dataset(write_set(tmp_path, high=255))
    assert len(dataset.notes) == 1
    assert "from 128 on is road" in dataset.notes[0]
    assert set(read_sample(dataset, dataset.splits["val"][0])[1].ravel()) == {0, 1}


def test_a_split_is_drawn_where_none_is_given(tmp_path: Path) -> None:
    dataset = read_dataset(write_set(tmp_path, train=10, val=0), val_fraction=0.3, seed=5)
    assert {split: len(samples) for split, samples in dataset.splits.items()} == {"train": 7, "val": 3}
    assert "seed 5 into 7 train and 3 val" in dataset.notes[0]


@pytest.mark.parametrize("low", [0, 1])
def test_masks_are_sampled_evenly_so_that_empty_ones_do_not_decide(tmp_path: Path, low: int) -> None:
    write_set(tmp_path, high=255)
    for index in range(2):
        save(tmp_path / f"masks/train/img-{index + low}.png", make_mask(high=0))
    assert read_dataset(tmp_path).label_mapping.kind == "threshold"


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "counts", "kind"),
    [
        ("roads-epfl", {"train": 80, "val": 20}, "threshold"),
        ("roads-cil", {"train": 80, "val": 20}, "mapping"),
        ("roads-massachusetts", {"train": 250, "val": 48}, "mapping"),
        ("deepglobe-road", {"train": 3, "val": 1, "unlabelled": 2}, "colors"),
        ("deepglobe-landcover", {"train": 6, "val": 1}, "colors"),
        ("camvid", {"train": 367, "val": 101}, "mapping"),
        ("cityscapes", {"train": 2, "val": 1}, "mapping"),
        ("rasters/massachusetts", {"train": 1, "val": 1}, "ids"),
    ],
)
def test_real_sets_are_read(name: str, counts: dict[str, int], kind: str) -> None:
    dataset = read_dataset(real_data() / name)
    assert {split: len(samples) for split, samples in dataset.splits.items()} == counts
    assert dataset.label_mapping.kind == kind
    image, target, _ = read_sample(dataset, dataset.splits["val"][0])
    assert image.shape == (3, *target.shape)
    assert target[target != 255].max() < dataset.legend.num_classes


def read_pairs(folder: Path) -> Layout:
    samples = [Sample(f"train/{p.stem}", p, folder / "m" / p.name, p.stem) for p in sorted((folder / "i").iterdir())]
    return Layout("pairs", folder, {"train": tuple(samples)})


def write_pairs(root: Path) -> Path:
    for index in range(5):
        save(root / "i" / f"{index}.png", make_image(index))
        save(root / "m" / f"{index}.png", make_mask())
    return root


def test_a_reader_of_ones_own_returns_a_layout_or_a_dataset(tmp_path: Path) -> None:
    layout = read_pairs(write_pairs(tmp_path))
    dataset = read_dataset(layout, seed=1)
    assert {split: len(samples) for split, samples in dataset.splits.items()} == {"train": 4, "val": 1}
    own = replace(dataset, splits=layout.splits, notes=())
    assert read_dataset(own, seed=1).splits == dataset.splits
    assert data_name(own) is None


def test_a_reader_is_called_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write_pairs(tmp_path))
    (tmp_path / "own_reader_of_a_test.py").write_text(
        "from overland.datasets import Layout, Sample\n"
        "def read(folder):\n"
        "    names = ['0', '1', '2']\n"
        "    samples = [Sample(f'train/{n}', folder / f'i/{n}.png', folder / f'm/{n}.png', n) for n in names]\n"
        "    return Layout('mine', folder, {'train': tuple(samples)})\n"
        "def wrong(folder):\n"
        "    return [folder]\n"
    )
    dataset = read_dataset("own_reader_of_a_test:read@.")
    assert sum(map(len, dataset.splits.values())) == 3
    assert data_name("own_reader_of_a_test:read@.") == f"own_reader_of_a_test:read@{tmp_path}"
    assert data_name("some/folder") == str(tmp_path / "some/folder")
    for name, message in (
        ("own_reader_of_a_test:wrong@.", "returned list; a reader returns"),
        ("own_reader_of_a_test:nothing@.", "cannot be imported"),
        ("no_such_module:read@.", "cannot be imported"),
    ):
        with pytest.raises(UsageError, match=message):
            read_dataset(name)
