import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from made_sets import real_data
from overland.errors import DataError, UsageError
from overland.legend import legend_from_names
from overland.metrics.patches import PatchCounts, patch_counts, patch_means

ROADS = legend_from_names(["background", "road"])


def patches(*shares, size=4):
    """Patches of 4 x 4 side by side, of whose pixels so many sixteenths are road."""
    return np.hstack([(np.arange(size * size) < share).reshape(size, size) for share in shares]).astype(np.uint8)


def test_a_patch_is_road_when_more_than_a_quarter_of_it_is():
    truth, mask = patches(4, 5, 16, 0, 5), patches(5, 5, 4, 0, 16)

    assert patch_counts(truth, mask, 4).tolist() == [[1, 1], [1, 2]]


def test_scores_of_patches_by_hand():
    counts = PatchCounts(ROADS, 4)
    counts.add(patches(4, 5, 16), patches(5, 5, 4), 255)
    counts.add(patches(0, 5), patches(0, 16), 255)
    scores = counts.scores()

    assert (scores["averaging"], scores["patch_size"], scores["patch_fraction"]) == ("pooled", 4, 0.25)
    assert scores["from_mask"] == {
        "f1": pytest.approx(2 / 3),
        "accuracy": 3 / 5,
        "precision": pytest.approx(2 / 3),
        "recall": pytest.approx(2 / 3),
        "patches": 5,
        "true_patches": 3,
    }
    assert "from_probabilities" not in scores


def test_scores_decide_by_their_own_mean():
    truth = patches(16, 0)
    scores = np.hstack([np.full((4, 4), 0.3), np.full((4, 4), 0.25)]).astype(np.float32)
    counts = PatchCounts(ROADS, 4)
    counts.add(truth, (scores >= 0.5).astype(np.uint8), 255, scores)

    assert counts.scores()["from_probabilities"]["f1"] == 1
    assert counts.scores()["from_mask"]["f1"] == 0


def test_patches_at_the_edge_count_by_what_there_is_of_them():
    values = np.zeros((6, 5))
    values[4:, 4] = [1, 0]

    assert patch_means(values, 4).tolist() == [[0, 0], [0, 0.5]]


def test_pixels_without_label_are_no_part_of_a_patch():
    target = patches(5, 16)
    target[:, 4:] = 255
    target[:2, :4] = 255
    counts = PatchCounts(ROADS, 4)
    counts.add(target, patches(0, 16), 255)

    # Of the first patch one pixel in eight is road, of the second nothing is known.
    assert counts.scores()["from_mask"]["patches"] == 1
    assert counts.scores()["from_mask"]["true_patches"] == 0
    assert math.isnan(counts.scores()["from_mask"]["f1"])


def test_what_makes_no_sense_is_refused():
    with pytest.raises(UsageError, match="these are 3"):
        PatchCounts(legend_from_names(["a", "b", "c"]))
    with pytest.raises(UsageError, match="16"):
        PatchCounts(ROADS, 0)
    with pytest.raises(DataError, match="one shape"):
        patch_counts(patches(1), patches(1, 2), 4)


@pytest.mark.real
def test_the_epfl_truth_has_the_share_of_road_patches_that_is_known():
    masks = sorted(Path(real_data(), "roads-epfl", "masks").rglob("*.png"))
    means = [patch_means(np.asarray(Image.open(path).convert("L")) > 127, 16) for path in masks]

    assert np.stack(means).shape == (100, 25, 25)
    # 25.9 % by the grey values themselves, which the masks' JPEG-like noise allows.
    assert np.mean(np.stack(means) > 0.25) == pytest.approx(0.259, abs=0.001)
