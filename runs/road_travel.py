"""How well a road model travels: road IoU at home and in places that it has not seen, with the pixel size told.

    python runs/road_travel.py DATA MODEL OUTPUT.json [--known 1.0 0.7] [--sets roads-cil ...] [--threshold 0.3]

Every image is brought from its own pixel size to the one that the network is to see (`--known`, by default the
model's), scored, brought back, and compared on its own pixels; so the figures are those of `overland predict` on a
GeoTIFF with that pixel size. IoU is pooled over a set. "best" is the IoU at the set's own best threshold: nobody knows
it who has no labels, so it only tells what a better threshold could give. `calibration_error` is the expected one (15
bins of equal width). Imagery finer or coarser than home is made by resampling the two towns.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.bundle import ModelBundle, load_bundle
from overland.datasets import read_dataset
from overland.datasets.dataset import read_sample
from overland.inference import network_input, open_engine, probabilities_from_logits
from overland.inference.resample import AxisResampling, Resampling, resample
from overland.raster import Window, open_scene

Pixels = npt.NDArray[Any]
BINS = 15
HOME = "roads-massachusetts-tiles"


@dataclass(frozen=True)
class TestSet:
    """Images of a dataset, the pixel size that is told, and the one that they are brought to before the test."""

    dataset: str
    split: str
    told_m: float
    made_m: float | None = None


SETS = {
    "home": TestSet(HOME, "val", 1.0),
    "home-crops": TestSet("roads-massachusetts", "val", 1.0),
    "towns": TestSet("rasters/massachusetts", "", 1.0),
    "towns-0.25m": TestSet("rasters/massachusetts", "", 1.0, 0.25),
    "towns-0.5m": TestSet("rasters/massachusetts", "", 1.0, 0.5),
    "towns-2m": TestSet("rasters/massachusetts", "", 1.0, 2.0),
    "roads-cil": TestSet("roads-cil", "all", 0.3),
    "roads-epfl": TestSet("roads-epfl", "val", 0.3),
    "deepglobe-road": TestSet("deepglobe-road", "all", 0.5),
}


class LogitCounts:
    """How many pixels of each kind have which logit: enough for the scores at any temperature and threshold."""

    bins, largest = 4000, 20.0

    def __init__(self, counts: Pixels | None = None, images: int = 0) -> None:
        self.counts = np.zeros((2, self.bins), np.int64) if counts is None else counts
        self.images = images

    def add(self, scores: Pixels, target: Pixels) -> None:
        """Count the pixels of an image: probabilities and ids, 255 for no label."""
        labelled = target != 255
        odds = np.clip(scores[labelled].astype(np.float64), 1e-9, 1 - 1e-9)
        place = (np.log(odds / (1 - odds)) / self.largest + 1) * self.bins / 2
        place = np.clip(place, 0, self.bins - 1).astype(int)
        for kind in (0, 1):
            self.counts[kind] += np.bincount(place[(target[labelled] == 1) == kind], minlength=self.bins)
        self.images += 1

    def logits(self) -> Pixels:
        """The logit of each bin."""
        return ((np.arange(self.bins) + 0.5) * 2 / self.bins - 1) * self.largest

    def probabilities(self, temperature: float) -> Pixels:
        """The probability of each bin."""
        return np.asarray(1 / (1 + np.exp(-self.logits() / temperature)))

    def curve(self) -> tuple[Pixels, Pixels, Pixels]:
        """IoU, precision and recall of everything from each bin up."""
        false, hits = self.counts[:, ::-1].cumsum(axis=1)[:, ::-1].astype(float)
        total = self.counts[1].sum()
        return hits / (total + false), hits / np.maximum(hits + false, 1), hits / total

    def scores(self, temperature: float, threshold: float) -> dict[str, Any]:
        """Pooled scores at a threshold, the best that any could give, and the expected calibration error."""
        probabilities = self.probabilities(temperature)
        iou, precision, recall = self.curve()
        at, best = int(np.searchsorted(probabilities, threshold)), int(iou.argmax())
        place = np.minimum((probabilities * BINS).astype(int), BINS - 1)
        pixels = self.counts.sum(axis=0)
        gap = np.bincount(place, probabilities * pixels - self.counts[1], BINS)
        return {
            "images": self.images,
            "iou": round(float(iou[at]), 4),
            "precision": round(float(precision[at]), 4),
            "recall": round(float(recall[at]), 4),
            "best": {"threshold": round(float(probabilities[best]), 3), "iou": round(float(iou[best]), 4)},
            "calibration_error": round(float(np.abs(gap).sum() / pixels.sum()), 4),
        }


class Network:
    """A bundle and its engine: images of any size to probabilities of its class 1, with a temperature."""

    def __init__(self, bundle: ModelBundle, engine: str = "auto") -> None:
        self.bundle = bundle
        self._engine = open_engine(bundle, engine)

    def scores(self, image: Pixels, valid: Pixels, told_m: float, known_m: float) -> Pixels:
        """Probabilities (height, width), on the image's own pixels."""
        if not valid.all():
            return self._inside(image, valid, told_m, known_m)
        return self._resampled_scores(image, valid, told_m, known_m)

    def _inside(self, image: Pixels, valid: Pixels, told_m: float, known_m: float) -> Pixels:
        """As `scores`, of the smallest rectangle with all the imagery; nothing is asked of the rest."""
        rows, cols = (np.flatnonzero(valid.any(axis=axis)) for axis in (1, 0))
        found = np.zeros(valid.shape, np.float32)
        if rows.size:
            part = slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1)
            found[part] = self._resampled_scores(image[:, *part], valid[part], told_m, known_m)
        return found

    def _resampled_scores(self, image: Pixels, valid: Pixels, told_m: float, known_m: float) -> Pixels:
        height, width = valid.shape
        ratio = told_m / known_m
        there = Resampling(*(AxisResampling(side, max(1, round(side * ratio))) for side in (height, width)))
        pixels, known = _resampled(there, image, valid)
        score = self._run(np.rint(pixels).astype(np.uint8), known)
        return np.clip(_resampled(there.reversed, score[None], np.ones_like(known))[0][0], 0, 1)

    def _run(self, pixels: Pixels, valid: Pixels) -> Pixels:
        chip = network_input(self.bundle, pixels, valid)
        height, width = valid.shape
        pad = [(0, -side % self.bundle.size_divisor) for side in (height, width)]
        chip = np.pad(chip, ((0, 0), *pad), mode="reflect")
        scores = probabilities_from_logits(self.bundle, self._engine.run(chip[None]))
        return scores[0, 0, :height, :width] if scores.shape[1] == 1 else scores[0, 1, :height, :width]


def scored(network: Network, data: Path, test: TestSet, known_m: float) -> Iterator[tuple[Pixels, Pixels]]:
    """Probabilities and ids of each image of a set, on its own pixels."""
    for image, target, valid in images_of(data, test):
        yield network.scores(image, valid, test.made_m or test.told_m, known_m), target


def counted(network: Network, data: Path, test: TestSet, known_m: float) -> LogitCounts:
    """The logits of all pixels of a set."""
    counts = LogitCounts()
    for scores, target in scored(network, data, test, known_m):
        counts.add(scores, target)
    return counts


def told(scores: dict[str, Any]) -> str:
    """One line for people about the scores of a set."""
    return (
        f"{scores['pixel_size_m']:5.2f} m as {scores['known_m']:4.2f}: IoU {scores['iou']:.3f} "
        f"(precision {scores['precision']:.3f}, recall {scores['recall']:.3f}; best {scores['best']['iou']:.3f} at "
        f"{scores['best']['threshold']:.2f}; calibration error {scores['calibration_error']:.3f})"
    )


def images_of(data: Path, test: TestSet) -> Iterator[tuple[Pixels, Pixels, Pixels]]:
    """Pixels (3, height, width), ids with 255 for no label, and where there is imagery; of the size that is tested."""
    for image, target, valid in _as_stored(data, test):
        if test.made_m is None:
            yield image, target, valid
            continue
        sides = (AxisResampling(side, round(side * test.told_m / test.made_m)) for side in valid.shape)
        to_made = Resampling(*sides)
        share, known = _resampled(to_made, (target == 1)[None], target != 255)
        pixels, seen = _resampled(to_made, image, valid)
        yield np.rint(pixels).astype(np.uint8), np.where(known, share[0] >= 0.5, 255).astype(np.uint8), seen


def _as_stored(data: Path, test: TestSet) -> Iterator[tuple[Pixels, Pixels, Pixels]]:
    if not test.split:
        for path in sorted((data / test.dataset).glob("*_labels.tif")):
            with open_scene(path) as labels, open_scene(path.with_name(path.name.replace("_labels", ""))) as scene:
                ids, labelled = labels.read()
                image, valid = scene.read(bands=(1, 2, 3))
            yield image, np.where(labelled & valid, ids[0], 255).astype(np.uint8), valid
        return
    dataset = read_dataset(data / test.dataset)
    splits = dataset.splits if test.split == "all" else (test.split,)
    for sample in (sample for split in splits for sample in dataset.splits[split]):
        if sample.mask is not None:
            yield read_sample(dataset, sample)


def _resampled(resampling: Resampling, image: Pixels, valid: Pixels) -> tuple[Pixels, Pixels]:
    whole = Window(row_off=0, col_off=0, height=valid.shape[0], width=valid.shape[1])
    return resample(resampling, resampling.bounds, image, valid, whole)


def main() -> None:
    """Measure, keep and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("model")
    parser.add_argument("output", type=Path)
    parser.add_argument("--known", type=float, nargs="+", help="pixel sizes to bring imagery to [the model's]")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--threshold", type=float, help="in place of the model's")
    parser.add_argument("--counts", type=Path, help="folder that keeps the counted logits, for road_model.py")
    arguments = parser.parse_args()
    network = Network(load_bundle(arguments.model))
    threshold = arguments.threshold if arguments.threshold is not None else network.bundle.threshold or 0.5
    found = []
    for name in arguments.sets:
        for known_m in arguments.known or [network.bundle.resolution_m or 1.0]:
            counts = counted(network, arguments.data, SETS[name], known_m)
            sizes = {"pixel_size_m": SETS[name].made_m or SETS[name].told_m, "known_m": known_m}
            scores = sizes | counts.scores(1.0, threshold)
            found.append({"set": name, **scores})
            if arguments.counts:
                arguments.counts.mkdir(parents=True, exist_ok=True)
                np.savez(arguments.counts / f"{name}.npz", counts=counts.counts, images=counts.images)
            print(f"{name:15} {told(scores)}", flush=True)
    arguments.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
