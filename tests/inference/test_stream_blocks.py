import itertools

import numpy as np
import pytest

from overland.inference.plan import plan_windows
from overland.inference.stream import RowBuffer, iter_read_blocks, iter_scene_blocks
from overland.raster import Grid, Window, create_raster, open_scene

PIXELS = np.random.default_rng(0).integers(0, 9, (1, 1300, 90), dtype=np.uint8)


@pytest.mark.parametrize("step", [1, 16, 64, 200])
@pytest.mark.parametrize(("first", "end"), [(0, 90), (21, 64), (5, 6)])
def test_pieces_follow_each_other_and_end_at_whole_blocks(step, first, end):
    nothing = np.zeros((0, 0), bool)
    read = [(0, first)]

    def read_rows(first, end):
        read.append((first, end))
        return RowBuffer(first, 0, nothing[None], nothing, nothing)

    list(iter_read_blocks(read_rows, first, end, step))
    assert read[-1][1] == end
    assert all(end == first for (_, end), (first, _) in itertools.pairwise(read))
    assert all(piece_end % step == 0 for _, piece_end in read[1:-1])


@pytest.fixture
def scene(tmp_path):
    with create_raster(tmp_path / "s.tif", Grid(height=1300, width=90), nodata=0) as writer:
        writer.write(PIXELS, Window(col_off=0, row_off=0, width=90, height=1300))
    with open_scene(tmp_path / "s.tif") as scene:
        yield scene


class Rows:
    """Every third row of a window."""

    def __init__(self, window):
        self.window = window

    def inside(self, window):
        return np.broadcast_to((np.arange(window.row_off, window.row_end) % 3 == 0)[:, None], window_shape(window))


def window_shape(window):
    return window.height, window.width


@pytest.mark.parametrize(
    "left",
    [
        Window(col_off=0, row_off=0, width=90, height=1300),
        Window(col_off=30, row_off=600, width=20, height=500),
        Window(col_off=89, row_off=1299, width=1, height=1),
    ],
)
@pytest.mark.parametrize("of_region", [False, True])
def test_what_the_windows_see_is_read_once_and_says_what_is_wanted(scene, left, of_region):
    plan = plan_windows(1300, 90, chip_size=48, halo=8, divisor=8)
    blocks = list(iter_scene_blocks(scene, (1,), plan, left, Rows(left) if of_region else None))
    rows, cols = plan.rows.touching(left.row_off, left.row_end), plan.cols.touching(left.col_off, left.col_end)
    seen = slice(plan.rows.seen(rows[0])[0], plan.rows.seen(rows[-1])[1])
    seen_cols = slice(plan.cols.seen(cols[0])[0], plan.cols.seen(cols[-1])[1])
    pixels = np.concatenate([block.pixels for block in blocks], axis=1)
    np.testing.assert_array_equal(pixels, PIXELS[:, seen, seen_cols])
    wanted = np.concatenate([block.wanted for block in blocks])
    expected = PIXELS[0] > 0
    if of_region:
        expected &= (np.arange(1300) % 3 == 0)[:, None]
        expected[: left.row_off] = expected[left.row_end :] = False
    np.testing.assert_array_equal(wanted, expected[seen, left.col_off : left.col_end])
