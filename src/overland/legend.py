"""Class names, ids and colours: the meaning of the numbers of a mask."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from overland.errors import DataError

__all__ = ["IGNORE_INDEX", "Color", "Legend", "legend_from_dict", "legend_from_names", "match_classes"]

IGNORE_INDEX = 255
"""Id of pixels that are ignored: left out of loss and metrics, and nodata in a written mask."""
Color = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""

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
    """The classes of a mask in the order of their ids, which are 0, 1, 2, ..."""

    names: tuple[str, ...]
    """Names, all different."""
    colors: tuple[Color, ...]
    """A colour for each class."""
    background: int | None = None
    """Id of the class that means "none of the others"; None when every class is land of its own."""
    ignore_index: int = IGNORE_INDEX
    """Id of pixels without a label: left out of loss and metrics, and nodata in a written mask."""

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
        """True when there is one class of interest on a background, so that one probability and a threshold decide."""
        return self.num_classes == 2 and self.background == 0

    def id_from_name(self, name: str) -> int:
        """Look up a class.

        Args:
            name: Its name.

        Returns:
            Its id.

        Raises:
            DataError: When there is no class of that name.
        """
        if name not in self.names:
            raise DataError(f"There is no class {name!r}; the legend has {', '.join(self.names)}.")
        return self.names.index(name)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, which `legend_from_dict` reads back.

        Returns:
            Names, colours, background and ignored id.
        """
        return {
            "names": list(self.names),
            "colors": [list(color) for color in self.colors],
            "background": self.background,
            "ignore_index": self.ignore_index,
        }


def legend_from_dict(values: Mapping[str, Any]) -> Legend:
    """Build a legend from the values that `Legend.to_dict` gave.

    Args:
        values: The values.

    Returns:
        The legend.

    Raises:
        DataError: When a key is missing or malformed.
    """
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

    The first class that is called background (or other) becomes the background.

    Args:
        names: Names in the order of their ids, or by id; ids must be 0, 1, 2, ... without a gap.
        colors: A colour for each class; None for colours of our own.

    Returns:
        The legend.

    Raises:
        DataError: For names that are twice there, and for ids with gaps.
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


def match_classes(legend: Legend, other: Legend, names: tuple[str, str]) -> tuple[int, ...]:
    """Find the classes of another raster by their names, since their ids may come in another order.

    Args:
        legend: The legend that decides.
        other: The legend of the other raster.
        names: The files, for the error.

    Returns:
        For each id of `other` the id of the class of that name in `legend`.

    Raises:
        DataError: When `other` has a class that `legend` has not.
    """
    # Capitals are told apart only where the names need it.
    plain = str.casefold if len({name.casefold() for name in legend.names}) == legend.num_classes else str
    ids = {plain(name): index for index, name in enumerate(legend.names)}
    unknown = [name for name in other.names if plain(name) not in ids]
    if unknown:
        raise DataError(
            f"{names[1]} has the class {unknown[0]!r}, and {names[0]} has {', '.join(legend.names)}. Classes are "
            "compared by name; give names in the order of the ids to compare by id."
        )
    return tuple(ids[plain(name)] for name in other.names)


def _color_from_values(values: Sequence[int]) -> Color:
    try:
        red, green, blue = (int(value) for value in values)
    except OverflowError:
        raise ValueError(f"colour {list(values)} is not within 0..255") from None
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
            # The candidate that is farthest from those that are taken. Steps of the golden ratio round the hue circle
            # keep neighbours far apart for any number of classes.
            candidates: list[Color] = []
            for step in range(index, index + 24):
                hue = (0.11 + step * 0.618034) % 1.0
                red, green, blue = colorsys.hsv_to_rgb(hue, 0.62, 0.55 + 0.35 * ((step * 7) % 3) / 2)
                candidates.append((round(red * 255), round(green * 255), round(blue * 255)))
            color = max(candidates, key=lambda one: min((math.dist(one, other) for other in colors), default=0.0))
        colors.append(color)
    return colors
