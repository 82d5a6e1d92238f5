"""Into the box: calibrate a trained bundle on images with labels, choose its threshold, pack it small with its card."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from overland.bundle import ModelBundle, load_weights, save_bundle
from overland.exporters.compact import compact_bundle
from overland.models import build_model, graph_from_model, size_divisor_of
from road_travel import LogitCounts

MOST_BYTES = 12_000_000
# IoU at home that a lower threshold may cost. On imagery unlike the training's scores fall, so that the best
# threshold at home is too high there.
ROOM = 0.01
TEMPERATURES = np.exp(np.linspace(np.log(0.5), np.log(4), 61))
HEAD = "segmentation_head.0"


def best_temperature(counts: LogitCounts) -> float:
    """The temperature by which logits have to be divided for the likelihood of the truth to be largest.

    Args:
        counts: Logits of pixels with labels.

    Returns:
        The temperature; above 1 for a model that is too sure.
    """
    rest, positive = counts.counts
    costs = []
    for temperature in TEMPERATURES:
        logits = counts.logits() / temperature
        costs.append(positive @ np.logaddexp(0, -logits) + rest @ np.logaddexp(0, logits))
    return float(TEMPERATURES[int(np.argmin(costs))])


def tempered(bundle: ModelBundle, temperature: float, path: Path) -> ModelBundle:
    """A copy of a bundle whose logits are divided by a temperature, in the weights of its last layer.

    Args:
        bundle: A network of segmentation_models_pytorch.
        temperature: What to divide by.
        path: Where the copy is written.

    Returns:
        The copy.
    """
    weights = {
        name: array / np.float32(temperature) if name.startswith(HEAD) else array
        for name, array in load_weights(bundle).items()
    }
    network = build_model(bundle.model)
    network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in weights.items()})
    graph = graph_from_model(network, in_channels=bundle.in_channels, size_divisor=size_divisor_of(network))
    return save_bundle(bundle, path, weights=weights, graph=graph, card="")


def robust_threshold(counts: LogitCounts, temperature: float, room: float = ROOM) -> float:
    """The lowest threshold at which the IoU is within `room` of its best."""
    iou = counts.curve()[0]
    return round(float(counts.probabilities(temperature)[np.flatnonzero(iou >= iou.max() - room)[0]]), 3)


def pack_pretrained(
    bundle: ModelBundle, target: Path, card: Callable[[ModelBundle], str], most: int = MOST_BYTES
) -> int:
    """Pack a bundle in half precision; nothing is replaced where it takes more than `most` bytes.

    Returns:
        The bytes that it takes.
    """
    # Folders of the machine that trained it stay out of it.
    private = ("data", "project", "encoder_weights")
    bundle = replace(bundle, training={name: value for name, value in bundle.training.items() if name not in private})
    with tempfile.TemporaryDirectory() as folder:
        compact_bundle(bundle, Path(folder) / target.name, card=card(bundle))
        size = sum(path.stat().st_size for path in (Path(folder) / target.name).iterdir())
        if size > most:
            raise SystemExit(f"The model takes {size / 1e6:.1f} MB; there is room for {most / 1e6:.0f}.")
        compact_bundle(bundle, target, card=card(bundle))
    print(f"{target}: {size / 1e6:.1f} MB")
    return size
