import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overland.geo.grid import Window
from overland.inference.blend import Blend
from overland.inference.plan import plan_windows


def blended(plan, num_outputs, give_chip, region=None, align=1):
    """The blocks of a region when `give_chip(row, col)` gives the probabilities of a window's chip."""
    region = region or Window(col_off=0, row_off=0, width=plan.cols.length, height=plan.rows.length)
    blend = Blend(plan, num_outputs, region)
    blocks = []
    for row in plan.rows.touching(region.row_off, region.row_end):
        blend.open_row(row)
        for col in plan.cols.touching(region.col_off, region.col_end):
            blend.add(give_chip(row, col).astype(np.float32), row, col)
        blocks.append(blend.take(row, align, region.row_off))
    return blocks


def joined(blocks):
    return np.concatenate([probabilities for _, probabilities in blocks], axis=1)


def chips_of(plan, truth):
    """The chips that windows cut out of probabilities of the whole raster; NaN where they see none."""
    rows, cols = plan.rows, plan.cols
    padded = np.pad(truth, ((0, 0), (rows.chip,) * 2, (cols.chip,) * 2), constant_values=np.nan)

    def give_chip(row, col):
        top, left = rows.start(row) + rows.chip, cols.start(col) + cols.chip
        return padded[:, top : top + rows.chip, left : left + cols.chip]

    return give_chip


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
    truth, region = (
        np.random.default_rng(0).random((2, *size)),
        Window(col_off=left, row_off=top, width=width, height=height),
    )
    blocks = blended(plan, 2, chips_of(plan, truth), region)
    np.testing.assert_allclose(joined(blocks), truth[:, *region.slices], atol=1e-6)


def test_windows_that_differ_meet_halfway_at_their_border(plan):
    blocks = blended(plan, 1, lambda row, col: np.full((1, plan.rows.chip, plan.cols.chip), col))
    line = blocks[0][1][0, 0]
    border = plan.cols.stride
    assert line[border - plan.cols.ramp - 1] == 0
    assert line[border + plan.cols.ramp] == 1
    assert line[border - 1] + line[border] == pytest.approx(1)
    assert (np.diff(line) >= -1e-6).all()


def test_blocks_of_rows_follow_each_other_and_end_at_whole_blocks(plan):
    region = Window(col_off=0, row_off=10, width=130, height=140)
    blocks = blended(plan, 1, lambda row, col: np.ones((1, plan.rows.chip, plan.cols.chip)), region, align=64)
    expected = 10
    for first, probabilities in blocks:
        assert first == expected
        expected = first + probabilities.shape[1]
        assert (expected - 10) % 64 == 0 or expected == 150
    assert expected == 150
    assert any(probabilities.shape[1] == 0 for _, probabilities in blocks)


def test_a_window_that_is_left_out_leaves_zeros(plan):
    blend = Blend(plan, 1, Window(col_off=0, row_off=0, width=130, height=150))
    blend.open_row(0)
    _, probabilities = blend.take(0)
    assert not probabilities.any()
