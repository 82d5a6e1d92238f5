"""The building models: train, calibrate, judge, and pack small among the pretrained models.

    OMP_NUM_THREADS=1 python runs/building_model.py drone DATA OUTPUT
    OMP_NUM_THREADS=1 python runs/building_model.py aerial DATA OUTPUT --encoder ROAD_RUN
    python runs/building_model.py drone DATA OUTPUT --from RUN

drone: Nepal and Uganda, 0.07 to 0.2 m a pixel. banepa: Nepal alone, to see how such a model travels to Uganda; it is
never packed. aerial: Massachusetts at 1 m, from the encoder of a road model of the same imagery. The epoch,
the temperature and the threshold are chosen on the validation images, so that their scores are a little too good; the
labelled scene of Kampala is judged as well where DATA has it. OUTPUT gets the run and figures.json.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from safetensors.numpy import save_file

import overland as ol
from overland.bundle import ModelBundle, load_bundle, load_weights
from packing import best_temperature, pack_pretrained, robust_threshold, tempered
from provenance import ROOT, provenance, write_figures
from road_travel import LogitCounts, Network, TestSet, counted, told

PRETRAINED = ROOT / "src/overland/pretrained"
CARD = Path(__file__).with_name("building_model_card.md")
LITE0 = "weights/efficientnet_lite0_imagenet.safetensors"
OSM = "labels (c) OpenStreetMap contributors, ODbL 1.0"
DRONE = f"imagery OpenAerialMap contributors, CC BY 4.0; {OSM} (sample data of HOT fAIr)"
NAMES = {0: "background", 1: "building"}


@dataclass(frozen=True)
class Kind:
    """What a model is trained on, judged on, and where it goes."""

    target: str | None
    recipe: str
    folders: tuple[str, ...]
    tests: dict[str, TestSet]
    resolution_m: float
    range_m: tuple[float, float]
    attribution: str
    license: str
    what: str
    limits: str
    # Settings of each stage over those of the recipe; the second starts from the encoder of the first, and so on.
    stages: tuple[dict[str, Any], ...] = ({},)
    # Images of these folders count twice in all stages but the first: the smaller town would be outweighed.
    twice: tuple[str, ...] = ()


LEAST_IOU = 0.5
SECOND = {"scale": 1.5, "shrink": 1.5, "effects": 0.5}
DRONE_M = 0.1
PIXEL_M = {"banepa": 0.13, "kampala": 0.075}


def _drone(*cities: str) -> dict[str, TestSet]:
    """Chips as they are, as in training and as images without a place come; and brought to the model's pixel size."""
    as_they_are = {city: TestSet(f"buildings-{city}", "val", DRONE_M) for city in cities}
    told = {f"{city}, {PIXEL_M[city]} m told": replace(as_they_are[city], told_m=PIXEL_M[city]) for city in cities}
    return as_they_are | told


KINDS = {
    "drone": Kind(
        "buildings-drone",
        "building-drone",
        ("buildings-banepa", "buildings-kampala"),
        _drone("banepa", "kampala"),
        DRONE_M,
        (0.07, 0.2),
        DRONE,
        "weights Apache-2.0; imagery CC BY 4.0, labels ODbL 1.0: credit both",
        "32 drone chips of Banepa (Nepal, dense, 0.13 m) and 16 of Kampala (Uganda, 0.075 m), 512 x 512 pixels",
        "Two towns are no world: roofs of other materials, flat-roofed desert towns, high-rise and snow were not seen. "
        "Where houses touch they come out as one.",
        ({"minutes": 24}, {**SECOND, "imgsz": 512, "batch": 4, "minutes": 23}),
        ("buildings-kampala",),
    ),
    "banepa": Kind(
        None,
        "building-drone",
        ("buildings-banepa",),
        _drone("banepa", "kampala"),
        DRONE_M,
        (0.07, 0.2),
        DRONE,
        "weights Apache-2.0; imagery CC BY 4.0, labels ODbL 1.0: credit both",
        "32 drone chips of Banepa (Nepal, 0.13 m)",
        "",
        ({**SECOND, "minutes": 15},),
    ),
    "aerial": Kind(
        "buildings-aerial",
        "building-aerial",
        ("buildings-massachusetts",),
        {"massachusetts": TestSet("buildings-massachusetts", "val", 1.0)},
        1.0,
        (0.5, 1.5),
        "imagery MassGIS, Commonwealth of Massachusetts; building polygons from NRCan geo-deep-learning (MIT)",
        "weights Apache-2.0; trained on public imagery: credit it",
        "one image of 1182 x 901 m in Massachusetts, from the encoder of Overland's road model",
        "One square kilometre of one suburb is all that it has seen: expect little elsewhere.",
        ({"minutes": 9, "amp_cpu": True},),
    ),
}


def main() -> None:
    """Train or take a model, calibrate it, judge it, and put it among the pretrained models."""
    arguments = _arguments()
    kind = KINDS[arguments.kind]
    logging.basicConfig(format="%(message)s")
    logging.getLogger("overland").setLevel(logging.INFO)
    origin = provenance()
    arguments.output.mkdir(parents=True, exist_ok=True)
    bundle = replace(load_bundle(arguments.source or _train(kind, arguments)), resolution_m=kind.resolution_m)

    network = Network(bundle)
    counts = {name: counted(network, arguments.data, test, kind.resolution_m) for name, test in kind.tests.items()}
    validation = LogitCounts()
    for name, test in kind.tests.items():
        if test.told_m == kind.resolution_m and test.dataset in kind.folders:
            validation.counts += counts[name].counts
            validation.images += counts[name].images
    temperature = best_temperature(validation)
    threshold = robust_threshold(validation, temperature, room=0.0)
    bundle = replace(tempered(bundle, temperature, arguments.output / "calibrated"), threshold=threshold)
    sets = {}
    for name, test in kind.tests.items():
        sizes = {"pixel_size_m": test.told_m, "known_m": kind.resolution_m}
        sets[name] = sizes | counts[name].scores(temperature, threshold)
        print(f"{name:24} {told(sets[name])}", flush=True)
    pooled = validation.scores(temperature, threshold)["iou"]
    figures = {"temperature": round(temperature, 3), "threshold": threshold, "val_iou_pooled": pooled, "sets": sets}
    write_figures(arguments.output / "figures.json", origin | figures)
    if pooled < LEAST_IOU:
        raise SystemExit(f"The IoU is {pooled:.3f}, below {LEAST_IOU}: it is not put among the pretrained models.")
    if kind.target:
        complete = _told_all(bundle, kind, origin | figures, _command(arguments))
        pack_pretrained(complete, PRETRAINED / kind.target, lambda bundle: _card(bundle, kind))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--from", dest="source", type=Path, help="a bundle or a run that is there")
    parser.add_argument("--encoder", type=Path, help="a bundle or a run whose encoder training starts from")
    parser.add_argument("--minutes", type=float, help="minutes of each stage of the training, in place of its own")
    return parser.parse_args()


def _train(kind: Kind, arguments: argparse.Namespace) -> Path:
    weights, run = arguments.data / LITE0, arguments.encoder
    for number, settings in enumerate(kind.stages):
        if run:
            weights = encoder_file(load_bundle(run), arguments.output / f"encoder{number}.safetensors")
        minutes = {} if arguments.minutes is None else {"minutes": arguments.minutes}
        trained = ol.train(
            _dataset(kind, arguments, kind.twice if number else ()),
            recipe=kind.recipe,
            encoder="tu-tf_efficientnet_lite0" if kind.recipe == "building-drone" else None,
            encoder_weights=str(weights),
            epochs=10_000,
            project=str(arguments.output),
            name=f"run{number}",
            **settings | minutes,
        )
        run = Path(trained.run)
    return Path(run)


def _dataset(kind: Kind, arguments: argparse.Namespace, twice: tuple[str, ...]) -> Path:
    again = arguments.output.resolve() / "again"
    for folder in twice:
        for source in sorted((arguments.data / folder).glob("*/train/*")):
            link = again / folder / source.relative_to(arguments.data / folder)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(source.resolve())
    train = [f"{folder}/images/train" for folder in kind.folders]
    description = {
        "path": str(arguments.data.resolve()),
        "train": train + [str(again / folder / "images" / "train") for folder in twice],
        "val": [f"{folder}/images/val" for folder in kind.folders],
        "masks_dir": "masks",
        "names": NAMES,
        "pixel_size": kind.resolution_m,
    }
    path = arguments.output / f"dataset{len(twice)}.yaml"
    path.write_text(yaml.safe_dump(description), encoding="utf-8")
    return path


def encoder_file(bundle: ModelBundle, path: Path) -> Path:
    """The weights of a bundle's encoder as a file that `encoder_weights` takes."""
    weights = load_weights(bundle)
    save_file({name.removeprefix("encoder."): weights[name] for name in weights if name.startswith("encoder.")}, path)
    return path


def _command(arguments: argparse.Namespace) -> str:
    words = ["python runs/building_model.py", arguments.kind, "DATA OUTPUT"]
    words += ["--from RUN"] if arguments.source else []
    words += [f"--minutes {arguments.minutes:g}"] if arguments.minutes is not None else []
    return " ".join([*words, *(["--encoder ROAD_RUN"] if arguments.encoder else [])])


def _told_all(bundle: ModelBundle, kind: Kind, figures: dict[str, Any], command: str) -> ModelBundle:
    headline = {"key": "iou", "averaging": "pooled", "class": "building", "value": figures["val_iou_pooled"]}
    names = [name for name in kind.tests if "told" not in name]
    images = sum(figures["sets"][name]["images"] for name in names)
    test = {"dataset": ", ".join(names), "images": images, "headline": headline, **figures}
    return replace(
        bundle,
        metrics={**bundle.metrics, "test": {**test, "command": command}},
        data={
            **bundle.data,
            "license": kind.license,
            "attribution": kind.attribution,
            "resolution_range_m": list(kind.range_m),
        },
    )


def _card(bundle: ModelBundle, kind: Kind) -> str:
    test = bundle.metrics["test"]
    rows = [
        f"| {name}, {found['images']} images | IoU {found['iou']:.3f} (precision {found['precision']:.3f}, recall "
        f"{found['recall']:.3f}) |"
        for name, found in test["sets"].items()
    ]
    return CARD.read_text(encoding="utf-8").format(
        name=kind.target,
        architecture=f"{bundle.model['architecture']} on {bundle.model['encoder_name']}",
        threshold=bundle.threshold,
        range=f"{kind.range_m[0]:g} to {kind.range_m[1]:g}",
        resolution=kind.resolution_m,
        what=kind.what,
        pooled=test["val_iou_pooled"],
        rows="\n".join(rows),
        temperature=test["temperature"],
        error=max(found["calibration_error"] for found in test["sets"].values()),
        made=f"{test['date']}, commit {test['commit']}, `{test['command']}`",
        limits=kind.limits,
        terms=f"{kind.attribution[0].upper()}{kind.attribution[1:]}",
    )


if __name__ == "__main__":
    main()
