import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overland.inference.blend import Blend
from overland.inference.plan import plan_windows
from overland.raster import Window


def blended(plan, num_scores, score_of, target=None, align=1):
    """The lots of a target when `score_of(row, col)` gives the scores of a window's chip."""
    target = target or Window(col_off=0, row_off=0, width=plan.cols.length, height=plan.rows.length)
    blend = Blend(plan, num_scores, target)
    lots = []
    for row in plan.rows.touching(target.row_off, target.row_end):
        blend.open_row(row)
        for col in plan.cols.touching(target.col_off, target.col_end):
            blend.add(score_of(row, col).astype(np.float32), row, col)
        lots.append(blend.take(row, align, target.row_off))
    return lots


def joined(lots):
    return np.concatenate([scores for _, scores in lots], axis=1)


def chips_of(plan, truth):
    """The chips that windows cut out of scores of the whole raster; NaN where they see none."""
    rows, cols = plan.rows, plan.cols
    padded = np.pad(truth, ((0, 0), (rows.chip,) * 2, (cols.chip,) * 2), constant_values=np.nan)

    def score_of(row, col):
        top, left = rows.start(row) + rows.chip, cols.start(col) + cols.chip
        return padded[:, top : top + rows.chip, left : left + cols.chip]

    return score_of


@pytest.fixture
def plan():
    return plan_windows(150, 130, chip_size=48, halo=8, divisor=8)


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(1, 150), st.integers(1, 150)),
    chip=st.integers(48, 120),
    halo=st.integers(0, 19),
    shift=st.floats(0, 0.99),
    data=st.data(),
)
def test_windows_that_agree_give_back_what_they_agree_on(size, chip, halo, shift, data):
    still = plan_windows(*size, chip_size=chip, halo=halo, divisor=8)
    offset = int(shift * still.rows.stride), int(shift * still.cols.stride)
    plan = plan_windows(*size, chip_size=chip, halo=halo, divisor=8, offset=offset)
    top, left = data.draw(st.integers(0, size[0] - 1)), data.draw(st.integers(0, size[1] - 1))
    height, width = data.draw(st.integers(1, size[0] - top)), data.draw(st.integers(1, size[1] - left))
    truth, target = (
        np.random.default_rng(0).random((2, *size)),
        Window(col_off=left, row_off=top, width=width, height=height),
    )
    lots = blended(plan, 2, chips_of(plan, truth), target)
    np.testing.assert_allclose(joined(lots), truth[:, *target.slices], atol=1e-6)


def test_windows_that_differ_meet_halfway_at_their_border(plan):
    lots = blended(plan, 1, lambda row, col: np.full((1, plan.rows.chip, plan.cols.chip), col))
    line = lots[0][1][0, 0]
    border = plan.cols.stride
    assert line[border - plan.cols.ramp - 1] == 0
    assert line[border + plan.cols.ramp] == 1
    assert line[border - 1] + line[border] == pytest.approx(1)
    assert (np.diff(line) >= -1e-6).all()


def test_lots_follow_each_other_and_end_at_whole_blocks(plan):
    target = Window(col_off=0, row_off=10, width=130, height=140)
    lots = blended(plan, 1, lambda row, col: np.ones((1, plan.rows.chip, plan.cols.chip)), target, align=64)
    expected = 10
    for first, scores in lots:
        assert first == expected
        expected = first + scores.shape[1]
        assert (expected - 10) % 64 == 0 or expected == 150
    assert expected == 150
    assert any(scores.shape[1] == 0 for _, scores in lots)


def test_a_window_that_is_left_out_leaves_zeros(plan):
    blend = Blend(plan, 1, Window(col_off=0, row_off=0, width=130, height=150))
    blend.open_row(0)
    _, scores = blend.take(0)
    assert not scores.any()
