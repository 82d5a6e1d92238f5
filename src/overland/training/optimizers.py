"""Optimisers and schedules of the learning rate, by the names that a recipe gives them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from overland.config import TrainConfig

__all__ = ["build_optimizer", "build_scheduler", "schedule_factor"]

_POLY_POWER = 0.9
_ONECYCLE_WARMUP = 0.3
_ONECYCLE_START = 1 / 25


def build_optimizer(config: TrainConfig, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimiser that the settings name; "nag" is SGD with Nesterov's momentum."""
    common: dict[str, Any] = {"lr": config.lr, "weight_decay": config.weight_decay}
    optimizers: dict[str, Callable[[], torch.optim.Optimizer]] = {
        "adamw": lambda: torch.optim.AdamW(parameters, **common),
        "adam": lambda: torch.optim.Adam(parameters, **common),
        "sgd": lambda: torch.optim.SGD(parameters, momentum=config.momentum, **common),
        "nag": lambda: torch.optim.SGD(parameters, momentum=config.momentum, nesterov=True, **common),
        "rmsprop": lambda: torch.optim.RMSprop(parameters, momentum=config.momentum, **common),
        "adagrad": lambda: torch.optim.Adagrad(parameters, **common),
    }
    return optimizers[config.optimizer]()


def build_scheduler(
    config: TrainConfig, optimizer: torch.optim.Optimizer, position: Callable[[], float]
) -> dict[str, Any]:
    """The schedule that the settings name, as Lightning's `lr_scheduler` wants it.

    `position` tells how much of the run is done, from 0 to 1, whether steps or minutes end it.
    """
    if config.schedule == "plateau":
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, factor=config.lr_factor, patience=config.lr_patience
        )
        return {"scheduler": plateau, "interval": "epoch", "monitor": "val/loss"}
    if config.schedule == "step":
        steps = torch.optim.lr_scheduler.MultiStepLR(optimizer, list(config.lr_epochs or ()), config.lr_factor)
        return {"scheduler": steps, "interval": "epoch"}
    factor = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: schedule_factor(config, position()))
    return {"scheduler": factor, "interval": "step"}


def schedule_factor(config: TrainConfig, position: float) -> float:
    """Share of the highest learning rate at a position of the run from 0 to 1.

    Up in a line over the share `warmup`, then: "cosine" a half cosine to zero, "poly" (1 - x)^0.9 (Chen et al. 2017),
    "constant" stays. "onecycle" rises over 30 % from 1/25 and falls to zero, both in half cosines (Smith and Topin
    2019).
    """
    if config.schedule == "onecycle":
        return _onecycle(position)
    if position < config.warmup:
        # Never quite zero: the first step counts too.
        return max(position / config.warmup, 1e-3)
    rest = min(1.0, (position - config.warmup) / (1 - config.warmup))
    if config.schedule == "cosine":
        return _fall(rest)
    return float((1 - rest) ** _POLY_POWER) if config.schedule == "poly" else 1.0


def _onecycle(position: float) -> float:
    if position < _ONECYCLE_WARMUP:
        return 1 - (1 - _ONECYCLE_START) * _fall(position / _ONECYCLE_WARMUP)
    return _fall(min(1.0, (position - _ONECYCLE_WARMUP) / (1 - _ONECYCLE_WARMUP)))


def _fall(share: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * share))
