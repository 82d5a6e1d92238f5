"""Settings of a training run, checked, and the YAML files that they are read from.

What each setting means stands once, at `overland.train`: the command line and the pages of the documentation take their
texts from there. A keyword or an option wins over the environment (`OVERLAND_TRAIN_<NAME>`), the environment over the
YAML file, the file over the defaults below. Nothing here imports PyTorch, so that the command line can read it at once.
"""

from __future__ import annotations

import dataclasses
import importlib.resources
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from overland.errors import UsageError
from overland.text import closest_name, load_yaml, parse_yaml

__all__ = [
    "Reproduce",
    "TrainSettings",
    "recipe_names",
    "recipe_values",
    "train_settings_from_mapping",
    "train_settings_from_source",
]

_DEFAULT_RECIPE = "unet-small"
_DESCRIPTION = ("description", "source", "task", "assumes")
_HIGHEST_SEED = 2**32 - 1
_LEAST = {
    **dict.fromkeys(("epochs", "batch", "imgsz", "scale"), 1),
    **dict.fromkeys(("minutes", "weight_decay", "lr_patience", "patience", "min_epochs", "min_delta"), 0),
    **dict.fromkeys(("rotate", "color", "effects", "workers", "seed"), 0),
}


def _require(condition: bool, name: str, expected: str, found: Any) -> None:
    if not condition:
        raise UsageError(f"{name} must be {expected}; got {found}.")


@dataclass(frozen=True)
class Reproduce:
    """Faults of published systems, kept to train those systems as they were; never useful otherwise.

    They stand under `reproduce:` in the recipes that end in -published, and are no options of the command line.

    Args:
        resize: Side in pixels of the square that every image is resized to before the network; 0 keeps the size.
        resize_nearest: Resize images by their nearest pixels instead of between them.
        ignored_as_class: Train the ignored pixels as one more class.
        keep_last_epoch: Keep the last epoch as the model, not the best.
    """

    resize: int = 0
    resize_nearest: bool = False
    ignored_as_class: bool = False
    keep_last_epoch: bool = False

    def __post_init__(self) -> None:
        _require(self.resize >= 0, "reproduce: resize", "0 or more", self.resize)


@dataclass(frozen=True)
class TrainSettings:
    """Settings of a training run; `overland.train` says what each means, in this order.

    Code of the user's own (a loss, a metric, an augmentation, a network) is named by "package.module:name" here.
    """

    model: dict[str, Any] = field(default_factory=lambda: {"architecture": "PlainUnet", "width": 24, "stem_stride": 2})
    encoder: str | None = None
    encoder_weights: str | None = None
    bands: tuple[int, ...] | None = None
    imgsz: int = 256
    chips: Literal["random", "grid"] = "random"
    min_foreground: float = 0.0
    normalize: Literal["data", "unit", "half", "imagenet", "none"] = "data"
    epochs: int = 40
    minutes: float = 0.0
    batch: int = 8
    loss: dict[str, Any] = field(default_factory=lambda: {"cross_entropy": 1.0, "dice": 1.0})
    class_weights: bool = False
    optimizer: Literal["adamw", "adam", "sgd", "nag", "rmsprop", "adagrad"] = "adamw"
    lr: float = 2e-3
    weight_decay: float = 1e-2
    momentum: float = 0.9
    schedule: Literal["cosine", "poly", "onecycle", "step", "plateau", "constant"] = "cosine"
    warmup: float = 0.05
    lr_factor: float = 0.1
    lr_patience: int = 4
    lr_epochs: tuple[int, ...] | None = None
    ema: float = 0.999
    metrics: dict[str, Any] = field(default_factory=dict)
    monitor: str = "iou"
    patience: int = 15
    min_epochs: int = 0
    min_delta: float = 0.0
    flipud: bool = True
    fliplr: bool = True
    rotate: float = 180.0
    scale: float = 1.5
    shrink: float | None = None
    color: float = 0.2
    effects: float = 0.0
    augment: str | None = None
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    amp: bool = True
    amp_cpu: bool = False
    workers: int = 0
    seed: int = 0
    project: str = "runs/segment"
    name: str = "train"
    exist_ok: bool = False
    reproduce: Reproduce = field(default_factory=Reproduce)

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            _require(
                getattr(self, name) >= least, name, f"at least {least}" if least else "0 or more", getattr(self, name)
            )
        for name in ("ema", "warmup", "min_foreground", "momentum"):
            _require(0 <= getattr(self, name) < 1, name, "from 0 to below 1", getattr(self, name))
        for name in ("lr", "lr_factor"):
            _require(getattr(self, name) > 0, name, "above 0", getattr(self, name))
        _require(self.shrink is None or self.shrink >= 1, "shrink", "at least 1", self.shrink)
        _require(self.seed <= _HIGHEST_SEED, "seed", f"at most {_HIGHEST_SEED}", self.seed)
        _require(self.bands is None or min(self.bands, default=0) >= 1, "bands", "numbers from 1", self.bands)
        _require(bool(self.loss), "loss", "at least one loss with its weight", self.loss)
        _require(
            self.min_foreground == 0 or self.chips == "grid", "min_foreground", "0 unless chips is grid", self.chips
        )
        monitors = ("iou", "loss", *self.metrics)
        if self.monitor not in monitors:
            raise UsageError(_choice_message("monitor", monitors, self.monitor))
        if self.schedule == "step" and not self.lr_epochs:
            raise UsageError("The schedule step needs lr_epochs: the epochs after which it takes its steps.")

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain values, for args.yaml and for the bundle.

        Returns:
            A mapping from each setting to text, numbers, booleans, None, lists and mappings; `reproduce` only where
            something of it is asked for.
        """
        values = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        if self.reproduce == Reproduce():
            del values["reproduce"]
        return values


def recipe_names() -> list[str]:
    """Return the names of the recipes that come with Overland, sorted."""
    folder = importlib.resources.files("overland.recipes")
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def recipe_values(source: str | Path) -> dict[str, Any]:
    """Read a recipe by its name, or a YAML file.

    Args:
        source: Name of a recipe that comes with Overland, or the path of a .yaml file.

    Returns:
        All that stands in the file: the settings, and description, source, task and what they assume.

    Raises:
        UsageError: There is no such recipe (the closest name is said), or the file cannot be read.
    """
    names = recipe_names()
    if str(source) in names:
        path = importlib.resources.files("overland.recipes").joinpath(f"{source}.yaml")
        return parse_yaml(path.read_text(encoding="utf-8"), str(source))
    if Path(source).suffix in (".yaml", ".yml"):
        return load_yaml(source)
    raise UsageError(
        f"There is no recipe {str(source)!r}{closest_name(str(source), names)}. Recipes: {', '.join(names)}; "
        "or name a YAML file."
    )


def train_settings_from_source(source: str | Path | None, overrides: Mapping[str, Any]) -> TrainSettings:
    """Read settings from a recipe or a YAML file, with others on top.

    Args:
        source: Name of a recipe or path of a YAML file; unet-small when None.
        overrides: Settings that win over the file, by their names.

    Returns:
        The settings, checked.

    Raises:
        UsageError: The recipe or a setting is unknown (the closest name is said), or a value makes no sense.
    """
    source = source or _DEFAULT_RECIPE
    values = {name: value for name, value in recipe_values(source).items() if name not in _DESCRIPTION}
    return train_settings_from_mapping({**values, **overrides}, str(source))


def train_settings_from_mapping(values: Mapping[str, Any], where: str) -> TrainSettings:
    """Check plain values and build settings of them.

    Args:
        values: Settings by name, as YAML or JSON has them.
        where: Origin of the values, for error messages.

    Returns:
        The settings; those that `values` does not name have their defaults.

    Raises:
        UsageError: A name is unknown, a value is of the wrong kind, or it makes no sense.
    """
    settings: TrainSettings = _from_mapping(TrainSettings, values, where)
    return settings


def _from_mapping(kind: Any, values: Mapping[str, Any], where: str) -> Any:
    hints = typing.get_type_hints(kind)
    known = [item.name for item in fields(kind)]
    for name in values:
        if name not in known:
            raise UsageError(
                f"{where}: there is no setting {name!r}{closest_name(name, known)}. Settings: {', '.join(known)}."
            )
    return kind(**{name: _value_of_kind(value, hints[name], f"{where}: {name}") for name, value in values.items()})


def _value_of_kind(value: Any, kind: Any, where: str) -> Any:
    if isinstance(kind, types.UnionType):
        if value is None:
            return None
        kind = next(option for option in kind.__args__ if option is not type(None))
    origin = typing.get_origin(kind) or kind
    if origin is Literal:
        if value not in typing.get_args(kind):
            raise UsageError(_choice_message(where, typing.get_args(kind), value))
        return value
    if origin is tuple:
        return tuple(
            _value_of_kind(item, int, where) for item in (value if isinstance(value, list | tuple) else [value])
        )
    if dataclasses.is_dataclass(kind):
        return value if isinstance(value, Reproduce) else _from_mapping(kind, _value_of_kind(value, dict, where), where)
    # YAML reads 1e-3 as text (it wants 1.0e-3), and an int is a fine float.
    if origin is float and not isinstance(value, bool):
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if math.isfinite(number):
            return number
    elif isinstance(value, origin) and not (origin is int and isinstance(value, bool)):
        return value
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "text", dict: "a mapping"}
    raise UsageError(f"{where} must be {names[origin]}; got {value!r}.")


def _choice_message(name: str, choices: tuple[Any, ...], value: Any) -> str:
    return f"{name} is one of {', '.join(choices)}; got {value}{closest_name(str(value), choices)}."
