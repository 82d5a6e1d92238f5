import numpy as np
import pytest

from overland.inference.plan import plan_windows
from overland.inference.stream import RowBuffer, cut_chip, iter_read_blocks, iter_row_buffers

IMAGE = np.random.default_rng(0).integers(0, 255, (2, 90, 70), dtype=np.uint8)
VALID = IMAGE[0] > 40


def recording(calls, left=0, right=70):
    def read_rows(first, end):
        calls.append((first, end))
        pixels, valid = IMAGE[:, first:end, left:right], VALID[first:end, left:right]
        return RowBuffer(first, left, pixels, valid, valid[:, 3:])

    return read_rows


def plan_of(halo=8, chip_size=32, **options):
    return plan_windows(90, 70, chip_size=chip_size, halo=halo, divisor=8, **options)


@pytest.mark.parametrize("step", [1, 16, 64, 200])
@pytest.mark.parametrize("indices", [range(6), range(2, 5)])
@pytest.mark.parametrize("halo", [0, 8])
def test_a_strip_holds_the_rows_that_its_windows_see_and_each_is_read_once(step, indices, halo):
    plan, calls = plan_of(halo), []
    indices = range(indices.start, min(indices.stop, plan.rows.count))
    first, end = plan.rows.seen(indices[0])[0], plan.rows.seen(indices[-1])[1]
    blocks = iter_read_blocks(recording(calls), first, end, step)
    for index, buffer in zip(indices, iter_row_buffers(blocks, plan.rows, indices), strict=True):
        top, bottom = plan.rows.seen(index)
        assert (buffer.row_off, buffer.row_end) == (top, bottom)
        np.testing.assert_array_equal(buffer.pixels, IMAGE[:, top:bottom])
        np.testing.assert_array_equal(buffer.valid, VALID[top:bottom])
        np.testing.assert_array_equal(buffer.wanted, VALID[top:bottom, 3:])
    assert sum(end - first for first, end in calls) == end - first


@pytest.mark.parametrize("offset", [(0, 0), (9, 14)])
def test_a_chip_is_what_cutting_the_reflected_image_gives(offset):
    halo = 8
    plan = plan_of(halo, chip_size=40, offset=offset)
    margin = 40
    reflected = np.pad(IMAGE, ((0, 0), (margin, margin), (margin, margin)), mode="reflect")
    buffers = iter_row_buffers([RowBuffer(0, 0, IMAGE, VALID, VALID)], plan.rows, range(plan.rows.count))
    for row, buffer in enumerate(buffers):
        for col in range(plan.cols.count):
            pixels, valid = cut_chip(buffer, plan, row, col)
            assert pixels.shape == (2, plan.rows.chip, plan.cols.chip)
            assert valid.shape == pixels.shape[1:]
            # Within the halo, that is; what lies beyond it is filled for the chip's shape alone.
            rows = slice(max(0, -halo - plan.rows.start(row)), min(plan.rows.chip, 90 + halo - plan.rows.start(row)))
            cols = slice(max(0, -halo - plan.cols.start(col)), min(plan.cols.chip, 70 + halo - plan.cols.start(col)))
            top, left = margin + plan.rows.start(row), margin + plan.cols.start(col)
            chip = reflected[:, top : top + plan.rows.chip, left : left + plan.cols.chip]
            np.testing.assert_array_equal(pixels[:, rows, cols], chip[:, rows, cols])


def test_a_chip_of_a_strip_that_begins_further_right_is_the_same():
    plan = plan_of()
    first, end = plan.cols.seen(2)
    blocks = [recording([], first, end)(0, 90)]
    (buffer,) = iter_row_buffers(blocks, plan.rows, range(1, 2))
    (whole,) = iter_row_buffers([recording([])(0, 90)], plan.rows, range(1, 2))
    for ours, theirs in zip(cut_chip(buffer, plan, 1, 2), cut_chip(whole, plan, 1, 2), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (2, 3)])
def test_the_smallest_images_are_filled_up(shape):
    plan = plan_windows(*shape, chip_size=64, halo=8, divisor=32)
    image, valid = np.full((1, *shape), 7, np.uint8), np.ones(shape, bool)
    (buffer,) = iter_row_buffers([RowBuffer(0, 0, image, valid, valid)], plan.rows, range(1))
    pixels, _ = cut_chip(buffer, plan, 0, 0)
    assert pixels.shape == (1, plan.rows.chip, plan.cols.chip)
    assert (pixels == 7).all()
