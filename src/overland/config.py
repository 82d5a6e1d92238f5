"""Every setting of a training run, documented, and the YAML files they are read from.

A flag wins over the environment (`OVERLAND_TRAIN_<NAME>`), the environment over the file, the file over the default.
"""

from __future__ import annotations

import difflib
import importlib.resources
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from overland.errors import UsageError

__all__ = [
    "TrainConfig",
    "closest_name",
    "load_yaml",
    "recipe_names",
    "train_config_from_mapping",
    "train_config_from_source",
]

_DEFAULT_RECIPE = "unet-small"


def _setting(default: Any, help_text: str) -> Any:
    if isinstance(default, dict):
        return field(default_factory=default.copy, metadata={"help": help_text})
    return field(default=default, metadata={"help": help_text})


@dataclass(frozen=True)
class TrainConfig:
    """The settings of a training run; each field's `metadata["help"]` says what it means."""

    model: dict[str, Any] = _setting(
        {"architecture": "PlainUnet", "width": 24, "stem_stride": 2},
        "Architecture and its options: PlainUnet, or any of segmentation_models_pytorch with its encoder.",
    )
    epochs: int = _setting(40, "Passes over the training set; an epoch has as many chips as cover its images once.")
    batch: int = _setting(8, "Chips in a batch.")
    imgsz: int = _setting(256, "Side of a training chip in pixels, cut at native resolution.")
    lr: float = _setting(2e-3, "Highest learning rate of AdamW; warm-up, then a cosine to zero.")
    weight_decay: float = _setting(1e-2, "Weight decay of AdamW.")
    warmup: float = _setting(0.05, "Share of the run in which the learning rate rises.")
    dice: float = _setting(1.0, "Weight of the Dice loss beside the cross entropy.")
    class_weights: bool = _setting(False, "Weigh the cross entropy by the inverse square root of each class's share.")
    ema: float = _setting(
        0.999, "Decay of the moving average of the weights, shorter in short runs; 0 switches it off."
    )
    patience: int = _setting(15, "Epochs without a better validation IoU after which training stops; 0 never stops.")
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
        _require(self.lr > 0, "lr", "above 0", self.lr)
        _require(self.scale >= 1, "scale", "at least 1", self.scale)
        _require(0 <= self.ema < 1, "ema", "from 0 to below 1", self.ema)
        _require(0 <= self.warmup < 1, "warmup", "from 0 to below 1", self.warmup)
        _require(self.device in ("auto", "cpu", "cuda", "mps"), "device", "auto, cpu, cuda or mps", self.device)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for YAML and for the bundle."""
        values = asdict(self)
        values["bands"] = None if self.bands is None else list(self.bands)
        return values


def recipe_names() -> list[str]:
    """Names of the recipes that come with Overland."""
    folder = importlib.resources.files("overland.recipes")
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def train_config_from_source(source: str | Path | None, overrides: Mapping[str, Any]) -> TrainConfig:
    """Settings from a recipe's name or a YAML file, with `overrides` on top.

    Raises `UsageError` for an unknown recipe, an unknown key (with the closest name) or a value of the wrong kind.
    """
    source = str(source or _DEFAULT_RECIPE)
    if source in recipe_names():
        text = importlib.resources.files("overland.recipes").joinpath(f"{source}.yaml").read_text(encoding="utf-8")
        values = _parse_yaml(text, source)
    elif Path(source).suffix in (".yaml", ".yml"):
        values = load_yaml(source)
    else:
        raise UsageError(
            f"There is no recipe {source!r}{closest_name(source, recipe_names())}. "
            f"Recipes: {', '.join(recipe_names())}; or name a YAML file."
        )
    values.pop("description", None)
    values.pop("source", None)
    return train_config_from_mapping({**values, **overrides}, source)


def train_config_from_mapping(values: Mapping[str, Any], where: str) -> TrainConfig:
    """Check settings and build a `TrainConfig`; `where` names their origin in an error."""
    hints = typing.get_type_hints(TrainConfig)
    known = [item.name for item in fields(TrainConfig)]
    checked: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            raise UsageError(
                f"{where}: there is no setting {name!r}{closest_name(name, known)}. Settings: {', '.join(known)}."
            )
        checked[name] = _value_of_kind(value, hints[name], f"{where}: {name}")
    return TrainConfig(**checked)


def load_yaml(path: str | Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping. Raises `UsageError` when it does not exist or holds something else."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read ({error}).") from error
    return _parse_yaml(text, str(path))


def closest_name(name: str, known: Iterable[str]) -> str:
    """ "; did you mean X?" for the closest known name, or nothing."""
    matches = difflib.get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {matches[0]}?" if matches else ""


def _parse_yaml(text: str, where: str) -> dict[str, Any]:
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"{where} is not valid YAML ({' '.join(str(error).split())}).") from error
    if not isinstance(values, dict):
        raise UsageError(f"{where} must hold settings as `name: value` lines.")
    return values


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
