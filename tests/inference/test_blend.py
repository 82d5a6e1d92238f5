import numpy as np
import pytest

from overland.inference.blend import Blend
from overland.inference.plan import plan_windows


def blended(plan, num_scores, score_of, align=1):
    blend = Blend(plan, num_scores)
    lots = []
    for row in range(plan.rows.count):
        blend.open_row(row)
        for col in range(plan.cols.count):
            (top, bottom), (left, right) = plan.rows.span(row), plan.cols.span(col)
            blend.add(score_of(row, col, slice(top, bottom), slice(left, right)).astype(np.float32), row, col)
        lots.append(blend.take(row, align))
    return lots


@pytest.fixture
def plan():
    return plan_windows(150, 130, chip_size=48, halo=6, divisor=8)


def test_windows_that_agree_give_back_what_they_agree_on(plan):
    truth = np.random.default_rng(0).random((2, 150, 130))
    lots = blended(plan, 2, lambda row, col, rows, cols: truth[:, rows, cols])
    np.testing.assert_allclose(np.concatenate([scores for _, scores in lots], axis=1), truth, atol=1e-6)


def test_windows_that_differ_meet_halfway_at_their_border(plan):
    lots = blended(
        plan, 1, lambda row, col, rows, cols: np.full((1, rows.stop - rows.start, cols.stop - cols.start), col)
    )
    line = lots[0][1][0, 0]
    border = plan.cols.stride
    assert line[border - plan.cols.ramp - 1] == 0
    assert line[border + plan.cols.ramp] == 1
    assert line[border - 1] + line[border] == pytest.approx(1)
    assert (np.diff(line) >= -1e-6).all()


def test_lots_follow_each_other_and_end_at_whole_blocks(plan):
    lots = blended(
        plan, 1, lambda row, col, rows, cols: np.ones((1, rows.stop - rows.start, cols.stop - cols.start)), 64
    )
    expected = 0
    for first, scores in lots:
        assert first == expected
        expected = first + scores.shape[1]
        assert expected % 64 == 0 or expected == 150
    assert expected == 150
    assert any(scores.shape[1] == 0 for _, scores in lots)


def test_a_window_that_is_left_out_leaves_zeros(plan):
    blend = Blend(plan, 1)
    blend.open_row(0)
    _, scores = blend.take(0)
    assert not scores.any()
