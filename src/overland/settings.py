"""Every setting of a training run, documented, and the YAML files they are read from.

A flag wins over the environment (`OVERLAND_TRAIN_<NAME>`), the environment over the file, the file over the default.
"""

from __future__ import annotations

import importlib.resources
import types
import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from overland.errors import UsageError
from overland.text import closest_name, load_yaml, parse_yaml

__all__ = [
    "TrainSettings",
    "recipe_names",
    "train_settings_from_mapping",
    "train_settings_from_source",
]

_DEFAULT_RECIPE = "unet-small"
_TOLD_OF_RECIPES = ("description", "source", "system", "task", "assumes")
_CHOICES = {
    "device": ("auto", "cpu", "cuda", "mps"),
    "chips": ("random", "grid"),
    "normalize": ("data", "unit", "imagenet", "none"),
    "optimizer": ("adamw", "adam", "sgd", "nag", "rmsprop", "adagrad"),
    "schedule": ("cosine", "poly", "onecycle", "step", "plateau", "constant"),
    "monitor": ("iou", "loss", "none"),
}


def _setting(default: Any, help_text: str) -> Any:
    if isinstance(default, dict):
        return field(default_factory=default.copy, metadata={"help": help_text})
    return field(default=default, metadata={"help": help_text})


@dataclass(frozen=True)
class TrainSettings:
    """The settings of a training run; each field's `metadata["help"]` says what it means."""

    model: dict[str, Any] = _setting(
        {"architecture": "PlainUnet", "width": 24, "stem_stride": 2},
        "Architecture and its options: PlainUnet, or any of segmentation_models_pytorch with its encoder.",
    )
    encoder: str | None = _setting(None, "Encoder in place of the recipe's, such as resnet101.")
    encoder_weights: str | None = _setting(
        None, "Weights that the encoder starts from: a file (.safetensors, .pth, .npz), or a name such as imagenet."
    )
    epochs: int = _setting(40, "Passes over the training set; an epoch has as many chips as cover its images once.")
    minutes: float = _setting(
        0.0, "Minutes of training after which the run ends, its schedule with it; 0 for no limit."
    )
    batch: int = _setting(8, "Chips in a batch.")
    imgsz: int = _setting(256, "Side of a training chip in pixels, cut at native resolution.")
    chips: str = _setting(
        "random", "random draws chips anywhere; grid cuts each image side by side, padded with zeros at its edges."
    )
    min_foreground: float = _setting(0.0, "Share of foreground below which a chip of the grid is left out.")
    squash: int = _setting(
        0, "Side of the square that every image is resized to before the network, as published systems do; 0: never."
    )
    squash_nearest: bool = _setting(False, "Resize images by their nearest pixel, as one published system does.")
    normalize: str = _setting(
        "data",
        "Scaling of pixels: data (mean and deviation of the training set), unit (0 to 1), imagenet or none.",
    )
    void_class: bool = _setting(False, "Train ignored pixels as one more class, the fault of a published system.")
    loss: dict[str, Any] = _setting({"cross_entropy": 1.0, "dice": 1.0}, "Losses and their weights, summed.")
    class_weights: bool = _setting(False, "Weigh the cross entropy by the inverse square root of each class's share.")
    optimizer: str = _setting("adamw", "adamw, adam, sgd, nag, rmsprop or adagrad.")
    lr: float = _setting(2e-3, "Highest learning rate.")
    weight_decay: float = _setting(1e-2, "Weight decay.")
    momentum: float = _setting(0.9, "Momentum of sgd, nag and rmsprop.")
    schedule: str = _setting(
        "cosine", "Learning rate after the warm-up: cosine, poly, onecycle, step, plateau or constant."
    )
    warmup: float = _setting(0.05, "Share of the run in which the learning rate rises.")
    lr_factor: float = _setting(0.1, "Factor of the learning rate at each step of the schedules step and plateau.")
    lr_patience: int = _setting(4, "Epochs without progress after which the schedule plateau takes a step.")
    lr_epochs: tuple[int, ...] | None = _setting(None, "Epochs after which the schedule step takes its steps.")
    ema: float = _setting(
        0.999, "Decay of the moving average of the weights, shorter in short runs; 0 switches it off."
    )
    monitor: str = _setting(
        "iou",
        "What makes an epoch the best: validation iou or loss; none keeps the last, as one published system does.",
    )
    patience: int = _setting(15, "Epochs without a better one after which training stops; 0 never stops.")
    min_epochs: int = _setting(0, "Epochs before which training does not stop early.")
    min_delta: float = _setting(0.0, "Least progress that counts as a better epoch.")
    flip: bool = _setting(True, "Mirror chips upside down as well; false for street scenes, which have an up.")
    mirror: bool = _setting(True, "Mirror chips left to right.")
    rotate: float = _setting(180.0, "Largest rotation of a chip in degrees, to either side, by any angle.")
    scale: float = _setting(1.5, "Largest factor by which a chip is enlarged or shrunk.")
    color: float = _setting(0.2, "Strength of changes of brightness, contrast and saturation; 0 switches them off.")
    bands: tuple[int, ...] | None = _setting(None, "Bands to train on, counted from 1; all but alpha when not given.")
    device: str = _setting("auto", "auto, cpu, cuda or mps.")
    amp: bool = _setting(True, "Mixed precision where there is a CUDA GPU; never on a CPU.")
    workers: int = _setting(0, "Processes that prepare chips; 0 prepares them in the training process.")
    seed: int = _setting(0, "Seed of the weights, the chips and the split; the same seed gives the same run.")
    project: str = _setting("runs/segment", "Folder of the runs.")
    name: str = _setting("train", "Name of the run's folder; a number is added where it exists.")
    exist_ok: bool = _setting(False, "Write into an existing run folder of that name.")

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "imgsz"):
            _require(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        for name in ("squash", "minutes", "patience", "min_epochs", "weight_decay", "rotate", "color"):
            _require(getattr(self, name) >= 0, name, "0 or more", getattr(self, name))
        for name in ("ema", "warmup", "min_foreground", "momentum"):
            _require(0 <= getattr(self, name) < 1, name, "from 0 to below 1", getattr(self, name))
        _require(self.lr > 0, "lr", "above 0", self.lr)
        _require(self.scale >= 1, "scale", "at least 1", self.scale)
        _require(bool(self.loss), "loss", "at least one loss with its weight", self.loss)
        _require(
            self.min_foreground == 0 or self.chips == "grid", "min_foreground", "0 unless chips is grid", self.chips
        )
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            if value not in choices:
                raise UsageError(f"{name} is one of {', '.join(choices)}; got {value}{closest_name(value, choices)}.")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for YAML and for the bundle."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def recipe_names() -> list[str]:
    """Names of the recipes that come with Overland."""
    folder = importlib.resources.files("overland.recipes")
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def train_settings_from_source(source: str | Path | None, overrides: Mapping[str, Any]) -> TrainSettings:
    """Settings from a recipe's name or a YAML file, with `overrides` on top.

    Raises `UsageError` for an unknown recipe, an unknown key (with the closest name) or a value of the wrong kind.
    """
    source = str(source or _DEFAULT_RECIPE)
    if source in recipe_names():
        text = importlib.resources.files("overland.recipes").joinpath(f"{source}.yaml").read_text(encoding="utf-8")
        values = parse_yaml(text, source)
    elif Path(source).suffix in (".yaml", ".yml"):
        values = load_yaml(source)
    else:
        raise UsageError(
            f"There is no recipe {source!r}{closest_name(source, recipe_names())}. "
            f"Recipes: {', '.join(recipe_names())}; or name a YAML file."
        )
    settings = {name: value for name, value in values.items() if name not in _TOLD_OF_RECIPES}
    return train_settings_from_mapping({**settings, **overrides}, source)


def train_settings_from_mapping(values: Mapping[str, Any], where: str) -> TrainSettings:
    """Check settings and build a `TrainSettings`; `where` names their origin in an error."""
    hints = typing.get_type_hints(TrainSettings)
    known = [item.name for item in fields(TrainSettings)]
    checked: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            raise UsageError(
                f"{where}: there is no setting {name!r}{closest_name(name, known)}. Settings: {', '.join(known)}."
            )
        checked[name] = _value_of_kind(value, hints[name], f"{where}: {name}")
    return TrainSettings(**checked)


def _value_of_kind(value: Any, kind: Any, where: str) -> Any:
    if isinstance(kind, types.UnionType):
        if value is None and type(None) in kind.__args__:
            return None
        kind = next(option for option in kind.__args__ if option is not type(None))
    origin = typing.get_origin(kind) or kind
    if origin is tuple:
        items = value if isinstance(value, list | tuple) else [value]
        return tuple(_value_of_kind(item, int, where) for item in items)
    # YAML reads 1e-3 as text (it wants 1.0e-3), and an int is a fine float.
    if origin is float and not isinstance(value, bool):
        try:
            return float(value)
        except (TypeError, ValueError):
            pass
    elif isinstance(value, origin) and not (origin is int and isinstance(value, bool)):
        return value
    raise UsageError(f"{where} must be {_kind_name(origin)}; got {value!r}.")


def _kind_name(kind: Any) -> str:
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "text", dict: "a mapping"}
    return names.get(kind, str(kind))


def _require(condition: bool, name: str, expected: str, found: Any) -> None:
    if not condition:
        raise UsageError(f"{name} must be {expected}; got {found}.")
