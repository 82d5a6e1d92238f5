"""From the texts of a job to the settings of a training run: the built-in algorithm's words, or a recipe's.

`RULES` are the hyperparameters of SageMaker's built-in semantic segmentation: name, kind, range and default of each.
Source: https://docs.aws.amazon.com/sagemaker/latest/dg/segmentation-hyperparameters.html
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import yaml

from overland.errors import UsageError
from overland.sagemaker.job import SERVICE_PREFIXES
from overland.text import closest_name
from overland.training.settings import TrainSettings, recipe_names, train_settings_from_mapping

__all__ = [
    "RULES",
    "JobSettings",
    "Rule",
    "problems_of",
    "settings_from_hyperparameters",
    "values_from_texts",
]


@dataclass(frozen=True)
class Rule:
    """The way from the text of a hyperparameter to its value.

    Args:
        parse: Text to value; raises ValueError for one that is not expected.
        expected: Description of a right value, for messages.
        default: Value where none is given.
        is_required: Whether one must be given.
    """

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
    """Make the rule of a choice between names, the first by default."""

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


_FRACTION = "a number from 0 to 1"

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
    "lr_scheduler_factor": _number(0.1, _FRACTION, lambda value: 0 <= value <= 1),
    "lr_scheduler_step": Rule(_epochs, "epochs that grow, such as 10, 20"),
    "mini_batch_size": _whole(1, None, 16),
    "validation_mini_batch_size": _whole(1, None, 16),
    "optimizer": _choice("sgd", "adam", "adagrad", "nag", "rmsprop"),
    "momentum": _number(0.9, "a number above 0 and below 1", lambda value: 0 < value < 1),
    "weight_decay": _number(0.0001, "a number above 0 and below 1", lambda value: 0 < value < 1),
    "gamma1": _number(0.9, _FRACTION, lambda value: 0 <= value <= 1),
    "gamma2": _number(0.9, "a number from 0 to below 1", lambda value: 0 <= value < 1),
    "early_stopping": _switch(False),
    "early_stopping_patience": _whole(1, None, 4),
    "early_stopping_min_epochs": _whole(0, None, 5),
    "early_stopping_tolerance": _number(0.0, _FRACTION, lambda value: 0 <= value <= 1),
    "syncbn": _switch(False),
}


def values_from_texts(texts: Mapping[str, str]) -> dict[str, Any]:
    """Return the value of every hyperparameter, its default where none is given.

    Args:
        texts: Texts by name, for which `problems_of` finds nothing.
    """
    return {name: rule.parse(texts[name]) if name in texts else rule.default for name, rule in RULES.items()}


def problems_of(texts: Mapping[str, str]) -> list[str]:
    """Return a sentence for each thing that is wrong with the hyperparameters that `RULES` knows.

    Args:
        texts: Texts by name.
    """
    problems = []
    for name, rule in RULES.items():
        if name not in texts:
            problems += [f"{name} is required: {rule.expected}."] if rule.is_required else []
            continue
        try:
            rule.parse(texts[name])
        except (ValueError, KeyError):
            problems.append(f"{name} must be {rule.expected}; got {texts[name]!r}.")
    if texts.get("lr_scheduler", "").lower() == "step" and "lr_scheduler_step" not in texts:
        problems.append("lr_scheduler_step is required when lr_scheduler is step: epochs such as 10, 20.")
    return problems


_WHERE = "hyperparameters"
_RECIPES = {"fcn": "road-fcn", "psp": "road-psp", "deeplab": "road-deeplabv3"}
# The three networks want it, and the built-in algorithm rounds up to it.
_SIDE_OF = 8
# The job decides where its run lies.
_OURS = ("project", "name", "exist_ok", "reproduce")
# Ours too, but of another name in the built-in algorithm.
_TRANSLATED = (
    *("model", "encoder", "encoder_weights", "batch", "imgsz", "lr", "schedule", "lr_factor", "lr_epochs"),
    *("patience", "min_epochs", "min_delta"),
)


@dataclass(frozen=True)
class JobSettings:
    """A recipe and settings on top, as `overland.train` takes them.

    Args:
        recipe: Name of the recipe.
        settings: Settings that win over it.
        num_classes: Number of classes that the job says its data have; None where it says nothing.
        num_training_samples: Number of training images that the job says it has; None where it says nothing.
        notes: Hyperparameters that are not used and why, a sentence each.
    """

    recipe: str
    settings: Mapping[str, Any]
    num_classes: int | None = None
    num_training_samples: int | None = None
    notes: tuple[str, ...] = ()


def settings_from_hyperparameters(texts: Mapping[str, str]) -> JobSettings:
    """Check the hyperparameters of a job and translate them.

    With `recipe` they are settings of Overland, else those of the built-in algorithm; settings that the built-in
    algorithm has no word for may be added to it. Keys that the service itself adds (`_tuning_objective_metric`,
    `sagemaker_...`) are left aside.

    Args:
        texts: Texts by name.

    Returns:
        The recipe with its settings.

    Raises:
        UsageError: Anything is wrong; the one message names all of it.
    """
    texts = {name: text for name, text in texts.items() if not name.startswith(SERVICE_PREFIXES)}
    if "recipe" not in texts:
        return _of_built_in(texts)
    data = {name: texts[name] for name in ("num_classes", "num_training_samples") if name in texts}
    ours = {name: text for name, text in texts.items() if name not in {"recipe", *data}}
    known = _own_names()
    problems = [_unknown(name, [*known, "recipe", *data]) for name in ours if name not in known]
    problems += [problem for problem in problems_of(texts) if problem.partition(" ")[0] in data]
    if texts["recipe"] not in recipe_names():
        names = recipe_names()
        problems.append(
            f"recipe {texts['recipe']!r} does not exist{closest_name(texts['recipe'], names)}; "
            f"recipes: {', '.join(names)}."
        )
    settings, wrong = _own_settings({name: text for name, text in ours.items() if name in known})
    _refuse([*problems, *wrong])
    counts = {name: int(text) for name, text in data.items()}
    return JobSettings(texts["recipe"], settings, counts.get("num_classes"), counts.get("num_training_samples"))


def _of_built_in(texts: Mapping[str, str]) -> JobSettings:
    ours = [name for name in _own_names() if name not in RULES and name not in _TRANSLATED]
    problems = [_unknown(name, [*RULES, *ours, "recipe"]) for name in texts if name not in RULES and name not in ours]
    settings, wrong = _own_settings({name: text for name, text in texts.items() if name in ours})
    _refuse([*problems_of(texts), *problems, *wrong])
    values = values_from_texts(texts)
    notes = []
    if _side(values["crop_size"]) != values["crop_size"]:
        notes.append(f"crop_size {values['crop_size']} becomes {_side(values['crop_size'])}, a multiple of {_SIDE_OF}.")
    if "base_size" in texts:
        notes.append(
            "base_size is not used: chips are cut at the images' own resolution, which scale changes at random."
        )
    if "validation_mini_batch_size" in texts:
        notes.append("validation_mini_batch_size is not used: validation images are scored whole.")
    if values["syncbn"]:
        notes.append("syncbn is not used: Overland trains on one GPU.")
    if values["optimizer"] == "rmsprop" and "gamma1" in texts:
        notes.append("gamma1 is not used: rmsprop averages squared gradients with a decay of 0.99.")
    return JobSettings(
        _RECIPES[values["algorithm"]],
        {**_translated(values), **settings},
        values["num_classes"],
        values["num_training_samples"],
        tuple(notes),
    )


def _translated(values: Mapping[str, Any]) -> dict[str, Any]:
    optimizer, schedule = values["optimizer"], {"schedule": values["lr_scheduler"]}
    if values["lr_scheduler"] == "step":
        schedule |= {"lr_factor": values["lr_scheduler_factor"], "lr_epochs": list(values["lr_scheduler_step"])}
    stopping: dict[str, Any] = {"patience": 0}
    if values["early_stopping"]:
        stopping = {
            "patience": values["early_stopping_patience"],
            "min_epochs": values["early_stopping_min_epochs"],
            "min_delta": values["early_stopping_tolerance"],
        }
    return {
        "encoder": values["backbone"].replace("-", ""),
        "encoder_weights": "imagenet" if values["use_pretrained_model"] else None,
        "imgsz": _side(values["crop_size"]),
        "epochs": values["epochs"],
        "batch": values["mini_batch_size"],
        "optimizer": optimizer,
        "lr": values["learning_rate"],
        # The built-in algorithm decays weights with sgd alone, and rmsprop's momentum has a name of its own.
        "weight_decay": values["weight_decay"] if optimizer in ("sgd", "nag") else 0.0,
        "momentum": values["gamma2"] if optimizer == "rmsprop" else values["momentum"],
        **schedule,
        **stopping,
    }


def _side(crop_size: int) -> int:
    return math.ceil(crop_size / _SIDE_OF) * _SIDE_OF


def _own_names() -> list[str]:
    return [item.name for item in fields(TrainSettings) if item.name not in _OURS]


def _own_settings(texts: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Read settings of Overland from texts; the second list tells what is wrong with the others."""
    kinds = typing.get_type_hints(TrainSettings)
    values: dict[str, Any] = {}
    for name, text in texts.items():
        kind = kinds[name]
        is_optional = isinstance(kind, types.UnionType)
        if is_optional and text.lower() in ("", "null", "none"):
            values[name] = None
        elif kind is str or (is_optional and str in kind.__args__):
            values[name] = text
        elif is_optional:
            values[name] = [yaml.safe_load(part) for part in text.strip("[]").split(",")]
        else:
            try:
                values[name] = yaml.safe_load(text)
            except yaml.YAMLError:
                values[name] = text
    accepted: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    # Some settings make sense only with others, in whatever order they come: hence twice.
    for name in [*values, *values]:
        try:
            train_settings_from_mapping({**accepted, name: values[name]}, _WHERE)
        except UsageError as error:
            wrong[name] = str(error)
        else:
            accepted[name] = values[name]
            wrong.pop(name, None)
    return accepted, list(wrong.values())


def _unknown(name: str, known: list[str]) -> str:
    return f"{name} is no hyperparameter{closest_name(name, known)}."


def _refuse(problems: list[str]) -> None:
    if len(problems) == 1:
        raise UsageError(f"A hyperparameter is wrong: {problems[0]}")
    if problems:
        raise UsageError(f"{len(problems)} hyperparameters are wrong: {' '.join(problems)}")
