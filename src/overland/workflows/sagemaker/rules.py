"""The hyperparameters of SageMaker's built-in semantic segmentation: name, kind, range and default of each.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/segmentation-hyperparameters.html
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["RULES", "Rule", "problems_of", "values_from_texts"]


@dataclass(frozen=True)
class Rule:
    """How a text becomes a value: `parse` raises ValueError for one that is not `expected`."""

    parse: Callable[[str], Any]
    expected: str
    default: Any = None
    is_required: bool = False


def _whole(low: int, high: int | None, default: int | None = None, *, is_required: bool = False) -> Rule:
    def parse(text: str) -> int:
        value = int(text)
        if value < low or (high is not None and value > high):
            raise ValueError(text)
        return value

    expected = f"a whole number from {low} to {high}" if high is not None else f"a whole number of {low} or more"
    return Rule(parse, expected, default, is_required)


def _number(default: float, expected: str, accepts: Callable[[float], bool]) -> Rule:
    def parse(text: str) -> float:
        value = float(text)
        if not (math.isfinite(value) and accepts(value)):
            raise ValueError(text)
        return value

    return Rule(parse, expected, default)


def _choice(*names: str) -> Rule:
    """One of `names`, the first by default."""

    def parse(text: str) -> str:
        if text.lower() not in names:
            raise ValueError(text)
        return text.lower()

    return Rule(parse, f"one of {', '.join(names)}", names[0])


def _switch(default: bool) -> Rule:
    def parse(text: str) -> bool:
        return {"true": True, "1": True, "false": False, "0": False}[text.lower()]

    return Rule(parse, "True or False", default)


def _epochs(text: str) -> tuple[int, ...]:
    epochs = tuple(int(part) for part in text.split(","))
    if min(epochs) < 1 or list(epochs) != sorted(set(epochs)):
        raise ValueError(text)
    return epochs


_SHARE = "a number from 0 to 1"

RULES: Mapping[str, Rule] = {
    "num_classes": _whole(2, 254, is_required=True),
    "num_training_samples": _whole(1, None, is_required=True),
    "algorithm": _choice("fcn", "psp", "deeplab"),
    "backbone": _choice("resnet-50", "resnet-101"),
    "use_pretrained_model": _switch(True),
    "base_size": _whole(17, None, 520),
    "crop_size": _whole(17, None, 240),
    "epochs": _whole(1, None, 10),
    "learning_rate": _number(0.001, "a number above 0, at most 1", lambda value: 0 < value <= 1),
    "lr_scheduler": _choice("poly", "cosine", "step"),
    "lr_scheduler_factor": _number(0.1, _SHARE, lambda value: 0 <= value <= 1),
    "lr_scheduler_step": Rule(_epochs, "epochs that grow, such as 10, 20"),
    "mini_batch_size": _whole(1, None, 16),
    "validation_mini_batch_size": _whole(1, None, 16),
    "optimizer": _choice("sgd", "adam", "adagrad", "nag", "rmsprop"),
    "momentum": _number(0.9, "a number above 0 and below 1", lambda value: 0 < value < 1),
    "weight_decay": _number(0.0001, "a number above 0 and below 1", lambda value: 0 < value < 1),
    "gamma1": _number(0.9, _SHARE, lambda value: 0 <= value <= 1),
    "gamma2": _number(0.9, "a number from 0 to below 1", lambda value: 0 <= value < 1),
    "early_stopping": _switch(False),
    "early_stopping_patience": _whole(1, None, 4),
    "early_stopping_min_epochs": _whole(0, None, 5),
    "early_stopping_tolerance": _number(0.0, _SHARE, lambda value: 0 <= value <= 1),
    "syncbn": _switch(False),
}


def values_from_texts(texts: Mapping[str, str]) -> dict[str, Any]:
    """The value of every hyperparameter, its default where none is given; for texts without `problems_of`."""
    return {name: rule.parse(texts[name]) if name in texts else rule.default for name, rule in RULES.items()}


def problems_of(texts: Mapping[str, str]) -> list[str]:
    """What is wrong with the hyperparameters among `texts` that `RULES` knows, a sentence each."""
    problems = []
    for name, rule in RULES.items():
        if name in texts and not _is_parsed(rule, texts[name]):
            problems.append(f"{name} must be {rule.expected}; got {texts[name]!r}.")
        elif name not in texts and rule.is_required:
            problems.append(f"{name} is required: {rule.expected}.")
    if texts.get("lr_scheduler", "").lower() == "step" and "lr_scheduler_step" not in texts:
        problems.append("lr_scheduler_step is required when lr_scheduler is step: epochs such as 10, 20.")
    return problems


def _is_parsed(rule: Rule, text: str) -> bool:
    try:
        rule.parse(text)
    except (ValueError, KeyError):
        return False
    return True
