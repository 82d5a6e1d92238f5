"""The road model that comes with Overland: train, calibrate, judge at home and away, pack small into TARGET.

    OMP_NUM_THREADS=1 python runs/road_model.py DATA OUTPUT [--minutes 62]
    python runs/road_model.py DATA OUTPUT --from RUN

DATA holds the folders of roads of `road_travel.py` and weights/. Trained on what `road_data.py` gathers, by the recipe
road-travel; with --from a run or a bundle that is there is judged and packed. Epoch, temperature and threshold are
chosen on crops of towns that are in neither training nor tests; the sets away from home are tests alone. OUTPUT gets
the dataset, the run and figures.json. A model below LEAST_IOU at home is not put among the pretrained models.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import overland as ol
from overland.bundle import ModelBundle, load_bundle
from packing import best_temperature, pack_pretrained, robust_threshold, tempered
from provenance import ROOT, provenance, write_figures
from road_data import road_dataset
from road_travel import SETS, LogitCounts, Network, counted, told

TARGET = ROOT / "src/overland/pretrained/roads-travel"
CARD = Path(__file__).with_name("road_model_card.md")
WEIGHTS = "weights/mobilenet_v2_imagenet_bnfolded.npz"
# Finer than the imagery of the training: it was shown enlarged there, and thin roads come out better.
RESOLUTION_M, RANGE_M = 0.5, (0.25, 2.0)
LEAST_IOU = 0.38
CHOSEN_ON = "home-crops"
ATTRIBUTION = "imagery MassGIS, Commonwealth of Massachusetts; labels (c) OpenStreetMap contributors, ODbL 1.0"
LICENSE = "weights Apache-2.0; trained on public imagery and on labels under the ODbL 1.0: credit both"


def main() -> None:
    """Train or take a model, calibrate it, judge it, and put it among the pretrained models."""
    arguments = _arguments()
    logging.basicConfig(format="%(message)s")
    logging.getLogger("overland").setLevel(logging.INFO)
    origin = provenance()
    arguments.output.mkdir(parents=True, exist_ok=True)
    bundle = replace(load_bundle(arguments.source or _train(arguments)), resolution_m=RESOLUTION_M)
    network = Network(bundle)
    counts = {name: _counts(name, network, arguments) for name in SETS}
    temperature = best_temperature(counts[CHOSEN_ON])
    threshold = robust_threshold(counts[CHOSEN_ON], temperature)
    bundle = replace(tempered(bundle, temperature, arguments.output / "calibrated"), threshold=threshold)
    sets = {}
    for name, test in SETS.items():
        sizes = {"pixel_size_m": test.made_m or test.told_m, "known_m": RESOLUTION_M}
        sets[name] = sizes | counts[name].scores(temperature, threshold)
        print(f"{name:15} {told(sets[name])}", flush=True)
    figures = {"temperature": round(temperature, 3), "threshold": threshold, "sets": sets}
    write_figures(arguments.output / "figures.json", origin | figures)
    if sets["home"]["iou"] < LEAST_IOU:
        raise SystemExit(
            f"The IoU at home is {sets['home']['iou']:.3f}, below {LEAST_IOU}: not put among the pretrained models."
        )
    pack_pretrained(_told_all(bundle, origin | figures, _command(arguments)), TARGET, _card)


def _counts(name: str, network: Network, arguments: argparse.Namespace) -> LogitCounts:
    kept = arguments.counts and arguments.counts / f"{name}.npz"
    if kept and kept.is_file():
        with np.load(kept, allow_pickle=False) as arrays:
            return LogitCounts(arrays["counts"], int(arrays["images"]))
    return counted(network, arguments.data, SETS[name], RESOLUTION_M)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--from", dest="source", type=Path, help="a bundle or a run that is there")
    parser.add_argument("--counts", type=Path, help="what road_travel.py counted for this very model with --counts")
    parser.add_argument("--minutes", type=float, default=62, help="minutes of training [62]")
    return parser.parse_args()


def _train(arguments: argparse.Namespace) -> Path:
    trained = ol.train(
        road_dataset(arguments.data.resolve(), arguments.output / "dataset"),
        recipe="road-travel",
        encoder_weights=str(arguments.data / WEIGHTS),
        minutes=arguments.minutes,
        epochs=200,
        amp_cpu=True,
        project=str(arguments.output),
        name="run",
    )
    return Path(trained.run)


def _command(arguments: argparse.Namespace) -> str:
    how = "--from RUN" if arguments.source else f"--minutes {arguments.minutes:g}"
    return f"python runs/road_model.py DATA OUTPUT {how}"


def _told_all(bundle: ModelBundle, figures: dict[str, Any], command: str) -> ModelBundle:
    home = figures["sets"]["home"]
    headline = {"key": "iou", "averaging": "pooled", "class": "road", "value": home["iou"]}
    test = {"dataset": "five places of Massachusetts", "images": home["images"], "headline": headline}
    return replace(
        bundle,
        metrics={**bundle.metrics, "test": {**test, **figures, "command": command}},
        data={**bundle.data, "license": LICENSE, "attribution": ATTRIBUTION, "resolution_range_m": list(RANGE_M)},
    )


def _card(bundle: ModelBundle) -> str:
    test = bundle.metrics["test"]
    sets, images = test["sets"], bundle.data["images"]
    return CARD.read_text(encoding="utf-8").format(
        architecture=f"{bundle.model['architecture']} on {bundle.model['encoder_name']}",
        threshold=bundle.threshold,
        range=f"{RANGE_M[0]:g} to {RANGE_M[1]:g}",
        resolution=RESOLUTION_M,
        images=images["train"],
        chosen=images["val"],
        temperature=test["temperature"],
        made=f"{test['date']}, commit {test['commit']}, `{test['command']}`",
        terms=f"{ATTRIBUTION[0].upper()}{ATTRIBUTION[1:]}",
        **{name.replace("-", "_").replace(".", "_"): found["iou"] for name, found in sets.items()},
        error=sets["home"]["calibration_error"],
        error_away=sets["roads-cil"]["calibration_error"],
    )


if __name__ == "__main__":
    main()
