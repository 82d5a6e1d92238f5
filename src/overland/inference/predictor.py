"""The streaming predictor: strips in, chips through the engine, blended scores out; a few strips in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from overland.bundle import ModelBundle, scale_pixels, scores_from_logits
from overland.inference.ahead import read_ahead, write_behind
from overland.inference.blend import Blend
from overland.inference.engines import Engine
from overland.inference.plan import DEFAULT_CHIP_SIZE, Plan, plan_windows
from overland.inference.strips import Pixels, Strip, Valid, cut_chip, iter_strips
from overland.raster import Scene, Window

__all__ = ["WriteScores", "predict_array", "predict_scene", "scores_of_chip"]

Scores = npt.NDArray[np.float32]

WriteScores = Callable[[Window, Scores, Valid], None]
"""Takes finished rows: their window, the scores (scores, rows, width), and where there is data (rows, width)."""

# Finished rows leave in lots of this many, the block height of the files that Overland writes.
_LOT = 512
# Taller blocks (a whole image in one strip, say) are not worth holding; GDAL's cache serves them.
_TALLEST_BLOCK = 1024


def predict_array(
    bundle: ModelBundle,
    engine: Engine,
    pixels: Pixels,
    valid: Valid,
    *,
    chip_size: int | None = None,
    halo: int | None = None,
) -> Scores:
    """Predict an image that is in memory: pixels (bands, height, width) as stored, scores (scores, height, width).

    The same windows and blending as for a scene. Where `valid` (height, width) is false a score has no meaning.
    """
    plan = plan_windows(
        *valid.shape,
        chip_size=chip_size or DEFAULT_CHIP_SIZE,
        halo=bundle.halo if halo is None else halo,
        divisor=bundle.size_divisor,
    )
    strips = iter_strips(lambda first, end: (pixels[:, first:end], valid[first:end]), plan.rows)
    lots = _iter_lots(bundle, engine, plan, strips, align=1, advance=None)
    return np.concatenate([scores for _, scores, _ in lots], axis=1)


def predict_scene(
    bundle: ModelBundle,
    engine: Engine,
    scene: Scene,
    bands: Sequence[int],
    plan: Plan,
    write: WriteScores,
    advance: Callable[[float], None] | None = None,
) -> None:
    """Predict a scene as it streams by: `write` gets the finished rows from top to bottom, each once.

    The next strip is read while the model works, and `write` is called in a thread of its own. `advance` is called
    with the megapixels done. Memory is bounded by the scene's width times a window's height.
    """

    def read_rows(first: int, end: int) -> tuple[Pixels, Valid]:
        return scene.read(Window(first, 0, end - first, scene.width), bands)

    block_height, _ = scene.block_shape
    align = block_height if block_height <= _TALLEST_BLOCK else 1
    strips = iter_strips(read_rows, plan.rows, align)
    with read_ahead(strips) as strips_ahead, write_behind() as submit:
        for lot in _iter_lots(bundle, engine, plan, strips_ahead, align=_LOT, advance=advance):
            submit(write, *lot)


def scores_of_chip(
    bundle: ModelBundle, engine: Engine, pixels: Pixels, valid: Valid, cut: tuple[slice, slice]
) -> Scores:
    """Scale a chip (bands, height, width), run the model and give the scores of the part `cut` out of it.

    Pixels without data enter as the mean of their band, so that neither -9999 nor NaN reaches the network.
    """
    chip = scale_pixels(bundle, pixels)
    if not valid.all():
        chip[:, ~valid] = 0
    logits = engine.run(chip[None])
    return scores_from_logits(bundle, np.ascontiguousarray(logits[0][:, cut[0], cut[1]]))


def _iter_lots(
    bundle: ModelBundle,
    engine: Engine,
    plan: Plan,
    strips: Iterable[Strip],
    *,
    align: int,
    advance: Callable[[float], None] | None,
) -> Iterator[tuple[Window, Scores, Valid]]:
    blend = Blend(plan, bundle.num_scores)
    held_valid = np.zeros((0, plan.cols.length), bool)
    for row, strip in enumerate(strips):
        blend.open_row(row)
        for col in range(plan.cols.count):
            _add_window(bundle, engine, plan, blend, strip, row, col)
            if advance is not None:
                advance(plan.core_megapixels(row, col))
        row_off, scores = blend.take(row, align)
        held_valid = _joined(held_valid, row_off, strip)
        height = scores.shape[1]
        if height:
            yield Window(row_off, 0, height, plan.cols.length), scores, held_valid[:height]
            held_valid = held_valid[height:]


def _add_window(
    bundle: ModelBundle, engine: Engine, plan: Plan, blend: Blend, strip: Strip, row: int, col: int
) -> None:
    spans = plan.rows.span(row), plan.cols.span(col)
    if not _has_data(strip, *spans):
        return
    pixels, valid = cut_chip(strip, plan, row, col)
    cut = _shifted(spans[0], plan.rows.start(row)), _shifted(spans[1], plan.cols.start(col))
    blend.add(scores_of_chip(bundle, engine, pixels, valid, cut), row, col)


def _has_data(strip: Strip, rows: tuple[int, int], cols: tuple[int, int]) -> bool:
    return bool(strip.valid[_shifted(rows, strip.row_off), slice(*cols)].any())


def _shifted(span: tuple[int, int], start: int) -> slice:
    return slice(span[0] - start, span[1] - start)


def _joined(held: Valid, row_off: int, strip: Strip) -> Valid:
    # Strips overlap: the rows that are held already are the same ones.
    held_end = row_off + held.shape[0]
    return np.concatenate([held, strip.valid[held_end - strip.row_off :]])
