"""What two graphs of one model give for the same images: the pictures to judge by, and the comparison."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.bundle import ModelBundle
from overland.datasets import dataset_from_path, read_sample
from overland.errors import MissingExtraError
from overland.export.agreement import Agreement
from overland.inference import Engine, model_scorer, open_engine, plan_image, predict_array
from overland.inference.samples import Chip
from overland.progress import track
from overland.workflows.evaluate import labelled_samples, with_legend_of
from overland.workflows.judging import check_image

__all__ = ["Images", "compare", "labelled_images", "window_images"]

Image = tuple[npt.NDArray[Any], npt.NDArray[np.bool_], npt.NDArray[np.uint8] | None]


@dataclass(frozen=True)
class Images:
    """A number of images, read as they are iterated: pixels as stored, where they hold data, and ids if labelled.

    `judge` says in words what the IoU is taken from.
    """

    judge: str
    count: int
    read: Callable[[], Iterator[Image]]


def window_images(chips: Sequence[Chip]) -> Images:
    """Windows without labels."""
    return Images(
        "fp32 scores of held-out windows", len(chips), lambda: ((pixels, valid, None) for pixels, valid in chips)
    )


def labelled_images(bundle: ModelBundle, data: str | Path, split: str) -> Images:
    """The labelled images of one split of a dataset.

    Raises `DataError` when the dataset does not fit the model, `UsageError` when it has no such split.
    """
    dataset = with_legend_of(bundle, dataset_from_path(data))
    samples = labelled_samples(dataset, split)

    def read() -> Iterator[Image]:
        for sample in samples:
            check_image(bundle, sample.image)
            pixels, target, valid = read_sample(dataset, sample, bundle.bands)
            yield pixels, valid, target

    return Images(f"labels of {dataset.name}, {split}", len(samples), read)


def compare(bundle: ModelBundle, quantized: ModelBundle, images: Images) -> dict[str, dict[str, Any]]:
    """Predict images with the graph of a bundle and with the eight-bit one of its copy, on every engine that is here.

    Returns the report of `Agreement` for each engine. They are not all alike: one may fuse layers that another does
    not, and round in other places.
    """
    scorer = model_scorer(bundle, open_engine(bundle, "onnx", precision="fp32"))
    others = {name: model_scorer(quantized, engine) for name, engine in _eight_bit_engines(quantized).items()}
    agreements = {name: Agreement(bundle) for name in others}
    with track("Comparing with fp32", images.count, "images") as advance:
        for pixels, valid, target in images.read():
            plan = plan_image(bundle, *valid.shape)
            expected = predict_array(scorer, pixels, valid, plan)
            for name, other in others.items():
                agreements[name].add(expected, predict_array(other, pixels, valid, plan), valid, target)
            advance(1)
    return {name: agreement.report() for name, agreement in agreements.items()}


def _eight_bit_engines(quantized: ModelBundle) -> dict[str, Engine]:
    engines = {"onnx": open_engine(quantized, "onnx", precision="int8")}
    # Without the extra speed it cannot be asked, and is not what the model will run on here.
    with suppress(MissingExtraError):
        engines["openvino"] = open_engine(quantized, "openvino", precision="int8")
    return engines
