"""Class names, ids and colours: what the numbers of a mask mean."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from overland.errors import DataError

__all__ = ["IGNORE_INDEX", "Color", "Legend", "legend_from_dict", "legend_from_names"]

IGNORE_INDEX = 255
Color = tuple[int, int, int]

_BACKGROUND_NAMES = {"background", "_background_", "other", "no road", "non-road", "not road"}
# Names seen in the field's public sets, so that a map looks as its reader expects without a colour table.
_KNOWN_COLORS: dict[str, Color] = {
    "road": (228, 87, 46),
    "building": (160, 96, 72),
    "water": (58, 124, 196),
    "forest": (46, 112, 62),
    "tree": (46, 112, 62),
    "grass": (140, 184, 92),
    "field": (222, 196, 108),
    "agriculture": (222, 196, 108),
    "urban": (196, 72, 84),
    "rangeland": (176, 168, 96),
    "barren": (196, 178, 150),
    "sky": (128, 176, 216),
    "pavement": (180, 150, 190),
    "car": (64, 64, 140),
}


@dataclass(frozen=True)
class Legend:
    """The classes of a mask in the order of their ids, which are 0, 1, 2, ...

    `background` is the id of the class that means "none of the others"; None when every class is land of its own.
    `ignore_index` marks pixels without a label: left out of loss and metrics, and nodata in a written mask.
    """

    names: tuple[str, ...]
    colors: tuple[Color, ...]
    background: int | None = None
    ignore_index: int = IGNORE_INDEX

    def __post_init__(self) -> None:
        if not self.names or len(self.names) != len(self.colors):
            counts = f"{len(self.names)} names and {len(self.colors)} colours"
            raise DataError(f"A legend needs a name and a colour for each class; got {counts}.")
        if len(self.names) > IGNORE_INDEX:
            raise DataError(f"A legend has at most {IGNORE_INDEX} classes (masks have 8 bits); got {len(self.names)}.")
        if len(set(self.names)) != len(self.names):
            raise DataError(f"Class names must differ; got {list(self.names)}.")

    @property
    def num_classes(self) -> int:
        """Number of classes, background included, ignored pixels not."""
        return len(self.names)

    @property
    def is_binary(self) -> bool:
        """Whether there is one class of interest on a background (so one score and a threshold decide)."""
        return self.num_classes == 2 and self.background == 0

    def id_from_name(self, name: str) -> int:
        """Id of a class. Raises `DataError` when there is no class of that name."""
        if name not in self.names:
            raise DataError(f"There is no class {name!r}; the legend has {', '.join(self.names)}.")
        return self.names.index(name)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `legend_from_dict` reads them back."""
        return {
            "names": list(self.names),
            "colors": [list(color) for color in self.colors],
            "background": self.background,
            "ignore_index": self.ignore_index,
        }


def legend_from_dict(values: Mapping[str, Any]) -> Legend:
    """Build a legend from what `Legend.to_dict` wrote. Raises `DataError` when a key is missing or malformed."""
    try:
        background = values.get("background")
        return Legend(
            names=tuple(str(name) for name in values["names"]),
            colors=tuple(_color_from_values(color) for color in values["colors"]),
            background=None if background is None else int(background),
            ignore_index=int(values.get("ignore_index", IGNORE_INDEX)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"The legend cannot be read ({error!r}); expected the keys names and colors.") from error


def legend_from_names(names: Sequence[str] | Mapping[int, str], colors: Sequence[Color] | None = None) -> Legend:
    """Build a legend from class names, with colours that are easy to tell apart where none are given.

    A mapping must have the ids 0, 1, 2, ... without a gap. The first class that is called background (or other)
    becomes the background.
    """
    if isinstance(names, Mapping):
        if sorted(names) != list(range(len(names))):
            raise DataError(
                f"Class ids must be 0, 1, 2, ... without a gap; got {sorted(names)}. Map values with label_mapping."
            )
        names = [names[index] for index in range(len(names))]
    ordered = tuple(str(name) for name in names)
    background = next((i for i, name in enumerate(ordered) if name.lower() in _BACKGROUND_NAMES), None)
    if colors is None:
        colors = _default_colors(ordered, background)
    return Legend(names=ordered, colors=tuple(colors), background=background)


def _color_from_values(values: Sequence[int]) -> Color:
    red, green, blue = (int(value) for value in values)
    if not all(0 <= value <= 255 for value in (red, green, blue)):
        raise ValueError(f"colour {list(values)} is not within 0..255")
    return red, green, blue


def _default_colors(names: Sequence[str], background: int | None) -> list[Color]:
    colors: list[Color] = []
    for index, name in enumerate(names):
        known = next((color for word, color in _KNOWN_COLORS.items() if word in name.lower()), None)
        if index == background:
            color: Color = (32, 32, 36)
        elif known is not None and known not in colors:
            color = known
        else:
            color = _distant_color(index, colors)
        colors.append(color)
    return colors


def _distant_color(index: int, taken: Sequence[Color]) -> Color:
    candidates = [_spread_color(index + step) for step in range(24)]
    return max(candidates, key=lambda color: min((math.dist(color, other) for other in taken), default=0.0))


def _spread_color(index: int) -> Color:
    # Steps of the golden ratio round the hue circle keep neighbours far apart for any number of classes.
    hue = (0.11 + index * 0.618034) % 1.0
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.62, 0.55 + 0.35 * ((index * 7) % 3) / 2)
    return round(red * 255), round(green * 255), round(blue * 255)
