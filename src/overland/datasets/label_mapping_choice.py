"""The choice of the label mapping that reads a dataset's masks: as declared, else by the values that they hold.

Ids come first: small whole numbers are class ids, with 255 for "no label". Masks are black and white only where their
values cluster at 0 and at 255.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from overland.datasets.issue import Issue
from overland.datasets.label_mapping import BINARIZE_AT, LabelMapping, label_mapping_line
from overland.datasets.masks import color_counts, read_mask, value_counts
from overland.errors import DataError
from overland.legend import IGNORE_INDEX, Color, Legend, legend_from_names
from overland.raster.read import open_scene

__all__ = ["LabelMappingChoice", "label_mapping_from_masks"]

_SAMPLED = 48
_BINARY_NAMES = ("background", "foreground")
_LISTED = 12
_MOST_UNNAMED = 64
# Between these lies no class of a two-class mask, only what compression and resizing leave.
_LOW_BELOW, _HIGH_FROM = 64, 192
_MOST_BETWEEN = 0.25
_FEW_VALUES = 8
# The most frequent dark value lies this near to 0, the most frequent bright one this near to 255.
_AT_END = 32
_SAVE_LOSSLESS = (
    "Save masks as PNG or GeoTIFF, as `overland data chips` does: JPEG grinds them a little more each time."
)


@dataclass(frozen=True)
class LabelMappingChoice:
    """A legend and the label mapping of its masks.

    Attributes:
        legend: The classes.
        label_mapping: How the masks are read.
        notes: Lines on what was decided by rule.
        issues: Issues found on the way.
        names_declared: False where the class names are ours, for want of any.
    """

    legend: Legend
    label_mapping: LabelMapping
    notes: tuple[str, ...] = ()
    issues: tuple[Issue, ...] = ()
    names_declared: bool = True


@dataclass(frozen=True)
class _Survey:
    """Values and colours of a sample of the masks; no `colors` where every mask is grey, no nodata in `values`."""

    masks: int
    values: Counter[int]
    colors: Counter[Color]
    is_rgb: bool

    @property
    def listed(self) -> str:
        values = sorted(self.values)
        if len(values) > _LISTED:
            return f"{len(values)} values, {values[0]} to {values[-1]}"
        total = self.values.total()
        return "the values " + ", ".join(f"{value} ({self.values[value] / total:.1%})" for value in values)


def label_mapping_from_masks(
    paths: Sequence[Path],
    legend: Legend | None = None,
    *,
    label_mapping: Mapping[int, int] | None = None,
    colors: Sequence[tuple[Color, int]] | None = None,
) -> LabelMappingChoice:
    """Decide how masks are read, from the declarations and from a sample of them spread over all.

    Args:
        paths: The masks.
        legend: The classes; None where none are declared.
        label_mapping: The class id of each value in the files, 255 for "no label"; None where nothing is declared.
        colors: Each colour with its class id; None where nothing is declared.

    Returns:
        The choice.

    Raises:
        DataError: There are no masks, or they can be read in more than one way; the message has the YAML lines that
            settle it.
    """
    if not paths:
        raise DataError("No image of the dataset has a mask, so there is nothing to learn from or to compare with.")
    survey = _survey(paths, with_rgb=colors is not None)
    if legend is None:
        with open_scene(paths[0]) as scene:
            legend = scene.legend
    names_declared = legend is not None
    unnamed: tuple[str, ...] = ()
    if legend is None:
        legend = _legend_from_values(survey)
        unnamed = (f"No class names are declared; the masks were read as: {', '.join(legend.names)}.",)
    if colors is not None and (label_mapping is None or survey.is_rgb):
        choice = _choice_of_colors(legend, survey, colors)
    elif survey.colors:
        raise DataError(_undeclared_colors(survey, legend))
    elif label_mapping is not None:
        choice = _choice_of_mapping(legend, survey, label_mapping)
    else:
        choice = _choice_of_values(legend, survey)
    return LabelMappingChoice(legend, choice.label_mapping, unnamed + choice.notes, choice.issues, names_declared)


def _survey(paths: Sequence[Path], *, with_rgb: bool) -> _Survey:
    step = max(1, len(paths) // _SAMPLED)
    values: Counter[int] = Counter()
    colors: Counter[Color] = Counter()
    is_rgb = False
    sampled = paths[::step]
    for path in sampled:
        mask = read_mask(path)
        is_rgb |= mask.has_colors
        counts = value_counts(mask)
        # Many programs declare nodata=0 in every mask, where 0 is in truth the background.
        if mask.nodata not in (None, 0):
            counts.pop(mask.nodata, None)
        values += counts
        if mask.has_colors or (with_rgb and mask.palette is not None):
            colors += color_counts(mask)
    return _Survey(len(sampled), values, colors, is_rgb)


def _choice_of_colors(legend: Legend, survey: _Survey, colors: Sequence[tuple[Color, int]]) -> LabelMappingChoice:
    # In a palette file the declared colours count; where they do not occur in it, its indices are the ids.
    known = {color for color, _ in colors}
    is_ids = _are_ids(survey.values, legend.num_classes)
    grey_is_declared = all((value, value, value) in known for value in survey.values)
    if is_ids and not (known & set(survey.colors)) and not grey_is_declared:
        return LabelMappingChoice(legend, LabelMapping("ids", legend.num_classes), ("The masks hold ids, no colours.",))
    mapping = LabelMapping("colors", legend.num_classes, colors=tuple(colors))
    noise = 0.0
    if all(_is_pure(color) for color in known):
        # The fraction of pixels whose colour, or grey value, is not made of 0 and 255.
        if survey.colors:
            noisy = sum(count for color, count in survey.colors.items() if not _is_pure(color))
        else:
            noisy = sum(count for value, count in survey.values.items() if value not in (0, 255))
        noise = noisy / (survey.colors or survey.values).total()
    if noise == 0:
        return LabelMappingChoice(legend, mapping)
    note = f"{noise:.2%} of the masks' pixels have none of the colours: each channel is binarised at {BINARIZE_AT}."
    return LabelMappingChoice(legend, mapping, (note,), (Issue("warning", "mask-noise", f"{note} {_SAVE_LOSSLESS}"),))


def _is_pure(color: Color) -> bool:
    return set(color) <= {0, 255}


def _choice_of_mapping(legend: Legend, survey: _Survey, mapping: Mapping[int, int]) -> LabelMappingChoice:
    unmapped = {value for value in survey.values if value not in mapping and value != IGNORE_INDEX}
    # A lone 1 is an id in a mask of another coding, no noise.
    is_noise = bool(unmapped - {1}) and _is_two_tone(survey.values)
    if is_noise and set(mapping) == {0, 255}:
        threshold = LabelMapping("threshold", legend.num_classes, mapping=dict(mapping))
        note = _threshold_note(legend, threshold, survey)
        return LabelMappingChoice(
            legend, threshold, (note,), (Issue("warning", "mask-noise", f"{note} {_SAVE_LOSSLESS}"),)
        )
    return LabelMappingChoice(legend, LabelMapping("mapping", legend.num_classes, mapping=dict(mapping)))


def _choice_of_values(legend: Legend, survey: _Survey) -> LabelMappingChoice:
    values = set(survey.values)
    looks_like_two_tone = values == {0, IGNORE_INDEX}
    if _are_ids(survey.values, legend.num_classes) and not looks_like_two_tone and values != {IGNORE_INDEX}:
        return LabelMappingChoice(legend, LabelMapping("ids", legend.num_classes))
    # Where class 1 is the background, white may as well be class 0, as it is in most masks.
    if legend.num_classes != 2 or legend.background == 1 or not _is_two_tone(survey.values):
        names = ", ".join(f"{index}: {name}" for index, name in enumerate(legend.names))
        found = f"Masks hold {survey.listed}; the classes are {names}, so it is open which value is which class."
        raise DataError(f"{found} {_settling_lines(legend, survey.values)}")
    mapping = LabelMapping("threshold", 2, mapping={0: 0, 255: 1})
    note = _threshold_note(legend, mapping, survey)
    code = "unmapped-mask" if values == {0, 255} else "mask-noise"
    line = label_mapping_line({0: 0, 255: 1})
    advice = f"As ids they would be 'no label' or no class at all. To settle it, add to the dataset YAML: {line}"
    if code == "mask-noise":
        advice += "; better still, save the masks again as PNG or GeoTIFF, binarised at 128."
    return LabelMappingChoice(legend, mapping, (note,), (Issue("warning", code, f"{note} {advice}"),))


def _are_ids(values: Counter[int], num_classes: int) -> bool:
    return all(0 <= value < num_classes or value == IGNORE_INDEX for value in values)


def _is_two_tone(values: Counter[int]) -> bool:
    """Tell whether grey values are black and white with some noise, and not ids or three shades of something."""
    low = {value: count for value, count in values.items() if 0 <= value < _LOW_BELOW}
    high = {value: count for value, count in values.items() if _HIGH_FROM <= value <= 255}
    if not low or not high:
        return False
    dark, bright = sum(low.values()), sum(high.values())
    between = values.total() - dark - bright
    # Small numbers with a lone 255 are ids with "no label": noise would lie below 255 as well as above 0.
    are_ids = len(low) > 1 and set(high) == {255} and between == 0
    has_third_shade = between > 0 and len(values) <= _FEW_VALUES
    at_ends = max(low, key=low.__getitem__) <= _AT_END and max(high, key=high.__getitem__) >= 255 - _AT_END
    return at_ends and not are_ids and not has_third_shade and between <= _MOST_BETWEEN * min(dark, bright)


def _threshold_note(legend: Legend, mapping: LabelMapping, survey: _Survey) -> str:
    below, above = legend.names[mapping.mapping[0]], legend.names[mapping.mapping[255]]
    return (
        f"Masks hold {survey.listed} for two classes: binarised at {BINARIZE_AT}, "
        f"from {BINARIZE_AT} on is {above}, below is {below}."
    )


def _settling_lines(legend: Legend, values: Counter[int]) -> str:
    """Return the advice that settles the values; it drops no value but those that people use for "no label"."""
    if len(values) > _LISTED:
        return (
            "That many values are what JPEG or resizing makes of a mask. "
            f"Export the masks again as PNG or GeoTIFF, with the values 0 to {legend.num_classes - 1}."
        )
    classes = sorted(values)
    if len(classes) > legend.num_classes:
        classes = [value for value in classes if value >= 0]
    if len(classes) > legend.num_classes:
        classes = [value for value in classes if value != IGNORE_INDEX]
    if len(classes) > legend.num_classes:
        known = ", ".join(f"{value}: {value if value < legend.num_classes else '...'}" for value in classes)
        return (
            f"There are {len(classes)} values for {legend.num_classes} classes: name the missing classes, or say in "
            f"the dataset YAML which class each value is (ignore_label for none): label_mapping: {{{known}}}"
        )
    mapping = {value: classes.index(value) if value in classes else IGNORE_INDEX for value in sorted(values)}
    condition = "the order of the values is that of the classes"
    if legend.num_classes == 2 and legend.background == 1:
        mapping = {value: 1 - index if index < 2 else index for value, index in mapping.items()}
        condition = f"the lower value is {legend.names[1]}"
    return f"If {condition}, add to the dataset YAML: {label_mapping_line(mapping)}"


def _undeclared_colors(survey: _Survey, legend: Legend | None) -> str:
    common = survey.colors.most_common(_LISTED)
    listed = ", ".join(f"{list(color)} ({count / survey.colors.total():.1%})" for color, count in common)
    rest = len(survey.colors) - len(common)
    listed += f" and {rest} more" if rest > 0 else ""
    # In the order of their values, which is that of the ids where a band of them was saved as red.
    colors = sorted(color for color, _ in common)
    hint = ""
    if all(green == blue == 0 for _, green, blue in colors) and max(red for red, _, _ in colors) < _MOST_UNNAMED:
        hint = " Red alone seems to hold ids: save that band as the mask, or declare the colours."
    if legend and len(colors) > legend.num_classes:
        palette = ", ".join(f"...: {list(color)}" for color in colors)
        advice = (
            f"Say in the dataset YAML which of the {legend.num_classes} classes each colour is, or ignore_label: "
            f"palette: {{{palette}}}"
        )
    else:
        palette = ", ".join(f"{index}: {list(color)}" for index, color in enumerate(colors))
        names = "" if legend else " and names: {0: ..., 1: ...}"
        advice = f"If the order is that of the classes, add to the dataset YAML: palette: {{{palette}}}{names}"
    return f"Masks hold colours and no colours are declared: {listed}.{hint} {advice}"


def _legend_from_values(survey: _Survey) -> Legend:
    if survey.colors:
        raise DataError(_undeclared_colors(survey, None))
    values = set(survey.values) - {IGNORE_INDEX}
    if values <= {0, 1} or _is_two_tone(survey.values):
        return legend_from_names(_BINARY_NAMES)
    if min(values) < 0 or max(values) >= _MOST_UNNAMED:
        raise DataError(
            f"Masks hold {survey.listed} and no class names are declared. "
            "Write a dataset YAML with names: {0: ..., 1: ...} "
            "and, if the values are no ids, label_mapping: {value: id, ...}"
        )
    return legend_from_names([f"class {index}" for index in range(max(values) + 1)])
