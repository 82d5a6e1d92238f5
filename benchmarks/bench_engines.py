"""How fast do the engines run the networks that people use? Megapixels a second, and relative to PyTorch eager.

    python benchmarks/bench_engines.py [--networks unet resnet34] [--sides 512 1536] [--rounds 5] [--json OUT]

Random weights, three bands, seven classes, chips one at a time in as many streams as the engine asks for. The engines
take turns in each round, so that a machine that is busy with something else slows them all; the figures are medians
over the rounds. Beside the clock stands the rate for each processor-second times the processors, which other work on
the machine hardly changes. int8 is calibrated on noise: good for speed, not for a map. PyTorch eager is the plain
module; it profits from `keep_freed_memory` here, as all do.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from overland.bundle import ModelBundle, save_bundle
from overland.exporters.quantize import quantize_graph
from overland.inference import open_engine
from overland.inference.machine import cpu_count
from overland.legend import legend_from_names
from overland.models import build_model, graph_from_model, model_settings
from results import Row, json_option, origin, publish

NETWORKS: dict[str, dict[str, Any]] = {
    "unet": {"architecture": "PlainUnet", "width": 32, "depth": 4, "stem_stride": 1},
    "mobilenet_v2": {"architecture": "Unet", "encoder": "mobilenet_v2"},
    "resnet34": {"architecture": "Unet", "encoder": "resnet34"},
    "efficientnet-b0": {"architecture": "Unet", "encoder": "efficientnet-b0"},
    "deeplabv3plus": {"architecture": "DeepLabV3Plus", "encoder": "resnet50"},
}
BASELINE = "PyTorch eager"
_ENGINES = [("torch", "fp32"), ("onnx", "fp32"), ("openvino", "fp32"), ("onnx", "int8"), ("openvino", "int8")]
_METHOD = (
    "Random weights, three bands, seven classes, one chip for each stream; the engines take turns, medians over the "
    "rounds. Processor time is what all processors spent, so that other work on the machine hardly counts. int8 is "
    "calibrated on noise. All run with `keep_freed_memory`, PyTorch eager too."
)
_CLASSES = [f"class {number}" for number in range(7)]

Chips = np.ndarray[Any, np.dtype[np.float32]]


@dataclass
class Runner:
    """What is timed: a function from chips to logits, to be called by so many threads at once."""

    name: str
    run: Callable[[Chips], Chips]
    streams: int


@dataclass
class Rate:
    """Megapixels for each second on the clock, and for each processor-second times the processors."""

    clock: float
    processors: float


def main() -> None:
    """Measure each network at each size and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--sides", type=int, nargs="+", default=[512, 1536])
    parser.add_argument("--rounds", type=int, default=5)
    json_option(parser)
    options = parser.parse_args()
    source = origin()
    rows = []
    for network in options.networks:
        with tempfile.TemporaryDirectory() as folder:
            runners = list(iter_runners(made_bundle(network, Path(folder) / network)))
            for side in options.sides:
                rows += rows_of(network, side, measure(runners, side, options.rounds))
    publish(options.json, source, title="Engines", method=_METHOD, rows=rows)


def made_bundle(network: str, path: Path) -> ModelBundle:
    """A bundle of a network with random weights, its graph in fp32 and in eight bits."""
    torch.manual_seed(0)
    settings = model_settings(NETWORKS[network], in_channels=3, classes=len(_CLASSES))
    model = build_model(settings)
    graph = graph_from_model(model, in_channels=3, size_divisor=32)
    bundle = ModelBundle(
        legend=legend_from_names(_CLASSES),
        model=settings,
        bands=(1, 2, 3),
        dtype="uint8",
        mean=(128.0,) * 3,
        std=(64.0,) * 3,
        chip_size=512,
        size_divisor=32,
        halo=32,
        activation="softmax",
        int8={"calibration": "noise"},
    )
    weights = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    int8_graph = quantize_graph(graph, [noise(256, seed) for seed in range(4)])
    return save_bundle(bundle, path, weights=weights, graph=graph, card="# Random\n", int8_graph=int8_graph)


def noise(side: int, seed: int = 0) -> Chips:
    """A chip of normal noise."""
    return np.random.default_rng(seed).normal(size=(1, 3, side, side)).astype(np.float32)


def iter_runners(bundle: ModelBundle) -> Iterator[Runner]:
    """PyTorch eager first, then each engine in each precision."""
    model = build_model(bundle.model).eval()

    def run_eager(chips: Chips) -> Chips:
        with torch.inference_mode():
            return model(torch.from_numpy(chips)).numpy()

    yield Runner(BASELINE, run_eager, 1)
    for name, precision in _ENGINES:
        engine = open_engine(bundle, name, precision=precision)
        yield Runner(f"{name} {precision}", engine.run, engine.workers)


def measure(runners: list[Runner], side: int, rounds: int) -> dict[str, list[Rate]]:
    """Time all runners in turn, so many rounds; one run each before warms them up."""
    chips = noise(side)
    rates: dict[str, list[Rate]] = {runner.name: [] for runner in runners}
    for runner in runners:
        rate_of(runner, chips)
    for _ in range(rounds):
        for runner in runners:
            rates[runner.name].append(rate_of(runner, chips))
    return rates


def rate_of(runner: Runner, chips: Chips) -> Rate:
    """Run each stream of a runner twice."""
    count = 2 * runner.streams
    megapixels = count * chips.shape[2] * chips.shape[3] / 1e6
    with ThreadPoolExecutor(runner.streams) as threads:
        clock, processors = time.perf_counter(), time.process_time()
        list(threads.map(runner.run, [chips] * count))
        return Rate(
            megapixels / (time.perf_counter() - clock),
            megapixels / (time.process_time() - processors) * cpu_count(),
        )


def rows_of(network: str, side: int, rates: dict[str, list[Rate]]) -> list[Row]:
    """The lines of the table for one network and size."""
    medians = {name: median_of(measured) for name, measured in rates.items()}
    base = medians[BASELINE]
    return [
        {
            "network": network,
            "side": side,
            "engine": name,
            "Mpx/s": round(rate.clock, 3),
            "of eager": round(rate.clock / base.clock, 2),
            "Mpx/s by processor time": round(rate.processors, 3),
            "of eager by processor time": round(rate.processors / base.processors, 2),
        }
        for name, rate in medians.items()
    ]


def median_of(rates: list[Rate]) -> Rate:
    """The middle of several rates, of each kind apart."""
    return Rate(statistics.median(rate.clock for rate in rates), statistics.median(rate.processors for rate in rates))


if __name__ == "__main__":
    main()
