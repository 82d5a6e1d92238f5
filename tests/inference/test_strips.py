import itertools

import numpy as np
import pytest

from overland.inference.plan import plan_windows
from overland.inference.strips import cut_chip, iter_strips

IMAGE = np.random.default_rng(0).integers(0, 255, (2, 90, 70), dtype=np.uint8)
VALID = IMAGE[0] > 40


def recording(calls):
    def read_rows(first, end):
        calls.append((first, end))
        return IMAGE[:, first:end], VALID[first:end]

    return read_rows


@pytest.mark.parametrize("align", [1, 16, 64])
def test_each_row_is_read_once_and_in_whole_blocks(align):
    plan = plan_windows(90, 70, chip_size=32, halo=5, divisor=8)
    calls = []
    list(iter_strips(recording(calls), plan.rows, align))
    assert calls[0][0] == 0
    assert calls[-1][1] == 90
    assert all(end == first for (_, end), (first, _) in itertools.pairwise(calls))
    assert all(end % align == 0 or end == 90 for _, end in calls)


@pytest.mark.parametrize("align", [1, 16, 64])
def test_a_strip_holds_the_rows_that_its_windows_see(align):
    plan = plan_windows(90, 70, chip_size=32, halo=5, divisor=8)
    for index, strip in enumerate(iter_strips(recording([]), plan.rows, align)):
        first, end = plan.rows.seen(index)
        assert (strip.row_off, strip.row_end) == (first, end)
        np.testing.assert_array_equal(strip.pixels, IMAGE[:, first:end])
        np.testing.assert_array_equal(strip.valid, VALID[first:end])


def test_a_chip_is_what_cutting_the_reflected_image_gives():
    halo = 5
    plan = plan_windows(90, 70, chip_size=40, halo=halo, divisor=8)
    margin = 40
    reflected = np.pad(IMAGE, ((0, 0), (margin, margin), (margin, margin)), mode="reflect")
    for row, strip in enumerate(iter_strips(recording([]), plan.rows)):
        for col in range(plan.cols.count):
            pixels, valid = cut_chip(strip, plan, row, col)
            assert pixels.shape == (2, plan.rows.chip, plan.cols.chip)
            assert valid.shape == pixels.shape[1:]
            # Up to the halo, that is; the rest of a chip at the lower or right edge is filled for its shape alone.
            height = min(plan.rows.chip, 90 + halo - plan.rows.start(row))
            width = min(plan.cols.chip, 70 + halo - plan.cols.start(col))
            top, left = margin + plan.rows.start(row), margin + plan.cols.start(col)
            np.testing.assert_array_equal(
                pixels[:, :height, :width], reflected[:, top : top + height, left : left + width]
            )


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (2, 3)])
def test_the_smallest_images_are_filled_up(shape):
    plan = plan_windows(*shape, chip_size=64, halo=8, divisor=32)
    image, valid = np.full((1, *shape), 7, np.uint8), np.ones(shape, bool)
    (strip,) = iter_strips(lambda first, end: (image[:, first:end], valid[first:end]), plan.rows)
    pixels, _ = cut_chip(strip, plan, 0, 0)
    assert pixels.shape == (1, plan.rows.chip, plan.cols.chip)
    assert (pixels == 7).all()
