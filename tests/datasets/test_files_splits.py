from __future__ import annotations

from pathlib import Path

import pytest

from overland.datasets import Sample
from overland.datasets.files import split_by_group
from overland.errors import UsageError


def samples(groups: list[str]) -> list[Sample]:
    return [Sample(f"train/{i}", Path(f"{i}.png"), Path(f"{i}.png"), group) for i, group in enumerate(groups)]


def test_no_group_is_on_both_sides() -> None:
    made = samples([f"scene{index // 5}" for index in range(50)])
    parts, note = split_by_group(made, 0.2, 0)
    train, val = ({sample.group for sample in parts[split]} for split in ("train", "val"))
    assert not train & val
    assert len(parts["val"]) == 10
    assert "by scene with seed 0 into 40 train and 10 val" in note


def test_the_seed_decides_and_the_order_does_not() -> None:
    made = samples([str(index) for index in range(30)])
    drawn = {sample.key for sample in split_by_group(made, 0.2, 3)[0]["val"]}
    assert drawn == {sample.key for sample in split_by_group(made[::-1], 0.2, 3)[0]["val"]}
    assert drawn != {sample.key for sample in split_by_group(made, 0.2, 4)[0]["val"]}
    assert len(drawn) == 6


def test_both_sides_get_something_of_two_scenes() -> None:
    parts, _ = split_by_group(samples(["big"] * 9 + ["small"]), 0.2, 0)
    assert {sample.group for sample in parts["val"]} == {"small"}


def test_one_scene_is_split_by_image_and_told() -> None:
    parts, note = split_by_group(samples(["one"] * 10), 0.2, 0)
    assert len(parts["val"]) == 2
    assert "all are of one scene" in note


def test_one_image_leaves_nothing_for_val() -> None:
    parts, note = split_by_group(samples(["one"]), 0.2, 0)
    assert set(parts) == {"train"}
    assert "one image only" in note


@pytest.mark.parametrize("fraction", [0, 1, -0.5])
def test_a_share_must_lie_between_0_and_1(fraction: float) -> None:
    with pytest.raises(UsageError, match="val_fraction"):
        split_by_group(samples(["a", "b"]), fraction)
