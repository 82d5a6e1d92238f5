"""Images a second of `overland train`, against the bare loop of the same network, which is the limit.

    OMP_NUM_THREADS=1 python benchmarks/bench_train.py [--recipe unet-small] [--imgsz 256] [--steps 60] [--json OUT]

Both train on the same machine, one after the other, on made images: `overland train` with all that it does (chips cut
and changed, moving average, history, checkpoints; one small image to validate), the bare loop on one batch that lies in
memory (forward, loss, backward, optimiser). The first epoch of each warms up and is not counted. The preparation of
chips is measured alone as well: what it takes of a step when the training process does it.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import overland as ol
from overland.datasets import Dataset, read_dataset
from overland.datasets.chips import band_statistics
from overland.models import build_model, loss_from_terms
from overland.training.data import training_loader
from overland.training.module import build_optimizer
from overland.training.settings import TrainSettings, train_settings_from_source
from overland.workflows.train import _network_settings, _scaling
from results import Row, json_option, origin, publish

EPOCHS = 3


def main() -> None:
    """Measure both and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", nargs="+", default=["unet-small", "road-travel"])
    parser.add_argument("--imgsz", type=int, default=256)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=30, help="steps of an epoch [30]")
    parser.add_argument("--amp-cpu", action="store_true", help="bfloat16 on the CPU, in both")
    json_option(parser)
    options = parser.parse_args()
    source = origin()
    rows = []
    for recipe in options.recipe:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(_row(recipe, options, Path(folder)))
    threads = f"{torch.get_num_threads()} threads, torch {torch.__version__}"
    method = (
        f"Chips of {options.imgsz} x {options.imgsz}, batches of {options.batch}; {threads}. Epochs after the first."
    )
    publish(options.json, source, title="Training speed", method=method, rows=rows)


def _row(recipe: str, options: argparse.Namespace, folder: Path) -> Row:
    settings = {"imgsz": options.imgsz, "batch": options.batch, "amp_cpu": options.amp_cpu, "epochs": EPOCHS}
    config = train_settings_from_source(recipe, settings | {"encoder_weights": None, "patience": 0})
    _write_dataset(folder / "data", options.imgsz, options.batch * options.steps)
    dataset = read_dataset(folder / "data")
    bare = _bare_rate(dataset, config, options.steps)
    prepared = _prepared_rate(dataset, config)
    run = ol.train(folder / "data", recipe=recipe, **settings, encoder_weights="none", patience=0, project=str(folder))
    trained = _trained_rate(Path(run.run), options.batch * options.steps)
    return {
        "recipe": recipe,
        "overland train, images/s": round(trained, 2),
        "bare loop, images/s": round(bare, 2),
        "above the bare loop, %": round(100 * (bare / trained - 1), 1),
        "of a step: preparing chips, %": round(100 * trained / prepared, 1),
    }


def _write_dataset(folder: Path, side: int, chips: int) -> None:
    rng = np.random.default_rng(0)
    for split, count, size in (("train", max(1, chips // 4), 2 * side), ("val", 1, 64)):
        for index in range(count):
            for kind, array in (
                ("images", rng.integers(0, 256, (size, size, 3), np.uint8)),
                ("masks", rng.integers(0, 2, (size, size), np.uint8)),
            ):
                path = folder / kind / split / f"{index}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(path, compress_level=0)
    (folder / "data.yaml").write_text(
        "path: .\ntrain: images/train\nval: images/val\nmasks_dir: masks\nnames: [background, road]\n", encoding="utf-8"
    )


def _bare_rate(dataset: Dataset, config: TrainSettings, steps: int) -> float:
    network = build_model(_network_settings(config, dataset, bands=3)).to(memory_format=torch.channels_last).train()
    loss = loss_from_terms(config.loss, num_outputs=1, ignore_index=255)
    optimizer = build_optimizer(config, network.parameters())
    chips = torch.randn(config.batch, 3, config.imgsz, config.imgsz).to(memory_format=torch.channels_last)
    target = torch.randint(0, 2, (config.batch, config.imgsz, config.imgsz))

    def seconds(count: int) -> float:
        started = time.perf_counter()
        for _ in range(count):
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=config.amp_cpu):
                value = loss(network(chips), target)
            value.backward()
            optimizer.step()
        return time.perf_counter() - started

    seconds(3)
    return config.batch * steps / seconds(steps)


def _prepared_rate(dataset: Dataset, config: TrainSettings) -> float:
    statistics = _scaling(config.normalize, band_statistics(dataset, "train"))
    loader = training_loader(dataset, config, statistics, pin_memory=False)
    list(loader)  # images are read once and kept
    started = time.perf_counter()
    chips = sum(len(batch[0]) for batch in loader)
    return chips / (time.perf_counter() - started)


def _trained_rate(run: Path, chips: int) -> float:
    with (run / "results.csv").open(encoding="utf-8") as file:
        times = [float(row["time_s"]) for row in csv.DictReader(file)]
    return chips * (len(times) - 1) / (times[-1] - times[0])


if __name__ == "__main__":
    main()
