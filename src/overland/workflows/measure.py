"""Measure: what a bundle knows of its own network, the halo and the memory, found by running it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from overland.bundle import ModelBundle
from overland.inference import model_scorer, open_engine
from overland.inference.context import context_count, context_side, measure_halo
from overland.inference.footprint import measure_bytes_per_pixel
from overland.inference.samples import sample_chips

__all__ = ["measured_bundle"]


def measured_bundle(
    bundle: ModelBundle, scenes: Sequence[str | Path], bands: Sequence[int] | None = None
) -> ModelBundle:
    """Give a bundle that is on disk with its `halo` and `bytes_per_pixel` measured; the files are left as they are.

    The halo is measured on windows of the scenes, in ONNX Runtime at fp32, so that it is the same wherever it is
    measured; a network that sees whole images squashed has none. `bands` are as in `predict`. Raises `DataError` for a
    scene that does not fit the model.
    """
    if bundle.squash:
        return replace(bundle, halo=0, bytes_per_pixel=measure_bytes_per_pixel(bundle))
    chips = sample_chips(bundle, scenes, side=context_side(bundle), count=context_count(bundle), bands=bands)
    scorer = model_scorer(bundle, open_engine(bundle, "onnx", precision="fp32"))
    halo = measure_halo(bundle, scorer, chips)
    return replace(bundle, halo=halo, bytes_per_pixel=measure_bytes_per_pixel(bundle))
