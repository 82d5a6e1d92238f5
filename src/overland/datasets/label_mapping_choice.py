"""Which mapping reads the masks of a dataset: what is declared, and what the masks hold where nothing is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from overland.datasets.issue import Issue
from overland.datasets.label_mapping import BINARIZE_AT, LabelMapping, label_mapping_line
from overland.datasets.masks import RawMask, color_counts, read_mask, value_counts
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
_SAVE_LOSSLESS = (
    "Save masks as PNG or GeoTIFF, as `overland data chips` does: JPEG grinds them a little more each time."
)


@dataclass(frozen=True)
class LabelMappingChoice:
    """A legend and a mapping, with `notes` on what was decided by rule and `issues` on what was found on the way.

    `names_declared` is False where the class names are ours, for want of any.
    """

    legend: Legend
    label_mapping: LabelMapping
    notes: tuple[str, ...] = ()
    issues: tuple[Issue, ...] = ()
    names_declared: bool = True


@dataclass(frozen=True)
class _Survey:
    """What a sample of the masks holds. `colors` is empty where every mask is grey; `values` leaves out nodata."""

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
    """Decide how masks are read, from what is declared and from a sample of them spread over all.

    `label_mapping` gives the id of each value in the files, `colors` the id of each colour; 255 means "no label".
    Raises `DataError` for masks that can be read in more than one way, with the YAML lines that settle it.
    """
    if not paths:
        raise DataError("No image of the dataset has a mask, so there is nothing to learn from or to compare with.")
    survey = _survey(paths, with_rgb=colors is not None)
    legend = legend or _legend_of_file(paths[0])
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
        values += _counted(mask)
        if mask.has_colors or (with_rgb and mask.palette is not None):
            colors += color_counts(mask)
    return _Survey(len(sampled), values, colors, is_rgb)


def _counted(mask: RawMask) -> Counter[int]:
    counts = value_counts(mask)
    # Many programs declare nodata=0 in every mask, where 0 is in truth the background.
    if mask.nodata not in (None, 0):
        counts.pop(mask.nodata, None)
    return counts


def _choice_of_colors(legend: Legend, survey: _Survey, colors: Sequence[tuple[Color, int]]) -> LabelMappingChoice:
    # In a palette file the declared colours count; where they do not occur in it, its indices are the ids.
    known = {color for color, _ in colors}
    is_ids = _are_ids(survey.values, legend.num_classes)
    grey_is_declared = all((value, value, value) in known for value in survey.values)
    if is_ids and not (known & set(survey.colors)) and not grey_is_declared:
        return LabelMappingChoice(legend, LabelMapping("ids", legend.num_classes), ("The masks hold ids, no colours.",))
    mapping = LabelMapping("colors", legend.num_classes, colors=tuple(colors))
    noise = _noise_fraction(survey) if all(_is_pure(color) for color in known) else 0.0
    if noise == 0:
        return LabelMappingChoice(legend, mapping)
    note = f"{noise:.2%} of the masks' pixels have none of the colours: each channel is binarised at {BINARIZE_AT}."
    return LabelMappingChoice(legend, mapping, (note,), (Issue("warning", "mask-noise", f"{note} {_SAVE_LOSSLESS}"),))


def _noise_fraction(survey: _Survey) -> float:
    """Fraction of pixels whose colour, or grey value, is not made of 0 and 255."""
    if survey.colors:
        noise = sum(count for color, count in survey.colors.items() if not _is_pure(color))
        return noise / survey.colors.total()
    return sum(count for value, count in survey.values.items() if value not in (0, 255)) / survey.values.total()


def _is_pure(color: Color) -> bool:
    return set(color) <= {0, 255}


def _choice_of_mapping(legend: Legend, survey: _Survey, mapping: Mapping[int, int]) -> LabelMappingChoice:
    unmapped = {value for value in survey.values if value not in mapping and value != IGNORE_INDEX}
    # A lone 1 is an id in a mask of another coding, no noise.
    is_noise = bool(unmapped - {1}) and _is_two_tone(survey.values)
    if is_noise and set(mapping) == {0, 255}:
        mapping = LabelMapping("threshold", legend.num_classes, mapping=dict(mapping))
        note = _threshold_note(legend, mapping, survey)
        return LabelMappingChoice(
            legend, mapping, (note,), (Issue("warning", "mask-noise", f"{note} {_SAVE_LOSSLESS}"),)
        )
    return LabelMappingChoice(legend, LabelMapping("mapping", legend.num_classes, mapping=dict(mapping)))


def _choice_of_values(legend: Legend, survey: _Survey) -> LabelMappingChoice:
    values = set(survey.values)
    looks_like_two_tone = values == {0, IGNORE_INDEX}
    if _are_ids(survey.values, legend.num_classes) and not looks_like_two_tone and values != {IGNORE_INDEX}:
        return LabelMappingChoice(legend, LabelMapping("ids", legend.num_classes))
    # Where class 1 is the background, white may as well be class 0, as it is in most masks.
    if legend.num_classes != 2 or legend.background == 1 or not _is_two_tone(survey.values):
        raise DataError(_ambiguous(legend, survey))
    mapping = LabelMapping("threshold", 2, mapping={0: 0, 255: 1})
    note = _threshold_note(legend, mapping, survey)
    code = "unmapped-mask" if values == {0, 255} else "mask-noise"
    line = label_mapping_line({0: 0, 255: 1})
    advice = f"As ids they would be 'no label' or no class at all. To settle it, add to the dataset YAML: {line}"
    if code == "mask-noise":
        advice += "; better still, save the masks again as PNG or GeoTIFF, binarised at 128."
    return LabelMappingChoice(legend, mapping, (note,), (Issue("error", code, f"{note} {advice}"),))


def _are_ids(values: Counter[int], num_classes: int) -> bool:
    return all(0 <= value < num_classes or value == IGNORE_INDEX for value in values)


def _is_two_tone(values: Counter[int]) -> bool:
    """Whether grey values are black and white with some noise, and not three shades of something."""
    low = sum(count for value, count in values.items() if 0 <= value < _LOW_BELOW)
    high = sum(count for value, count in values.items() if _HIGH_FROM <= value <= 255)
    between = values.total() - low - high
    has_third_shade = between > 0 and len(values) <= _FEW_VALUES
    return low > 0 and high > 0 and between <= _MOST_BETWEEN * min(low, high) and not has_third_shade


def _threshold_note(legend: Legend, mapping: LabelMapping, survey: _Survey) -> str:
    below, above = legend.names[mapping.mapping[0]], legend.names[mapping.mapping[255]]
    return (
        f"Masks hold {survey.listed} for two classes: binarised at {BINARIZE_AT}, "
        f"from {BINARIZE_AT} on is {above}, below is {below}."
    )


def _ambiguous(legend: Legend, survey: _Survey) -> str:
    names = ", ".join(f"{index}: {name}" for index, name in enumerate(legend.names))
    found = f"Masks hold {survey.listed}; the classes are {names}, so it is open which value is which class."
    return f"{found} {_settling_lines(legend, survey.values)}"


def _settling_lines(legend: Legend, values: Counter[int]) -> str:
    if len(values) > _LISTED:
        return (
            "That many values are what JPEG or resizing makes of a mask. "
            f"Export the masks again as PNG or GeoTIFF, with the values 0 to {legend.num_classes - 1}."
        )
    common = sorted(value for value, _ in values.most_common(legend.num_classes))
    mapping = {value: common.index(value) if value in common else IGNORE_INDEX for value in sorted(values)}
    condition = "the order of the values is that of the classes"
    if legend.num_classes == 2 and legend.background == 1:
        mapping = {value: 1 - index if index < 2 else index for value, index in mapping.items()}
        condition = f"the lower value is {legend.names[1]}"
    return f"If {condition}, add to the dataset YAML: {label_mapping_line(mapping)}"


def _undeclared_colors(survey: _Survey, legend: Legend | None) -> str:
    common = survey.colors.most_common(_LISTED)
    listed = ", ".join(f"{list(color)} ({count / survey.colors.total():.1%})" for color, count in common)
    more = f" and {len(survey.colors) - len(common)} more" if len(survey.colors) > len(common) else ""
    shown = common[: legend.num_classes] if legend else common
    palette = ", ".join(f"{index}: {list(color)}" for index, (color, _) in enumerate(shown))
    names = "" if legend else " and names: {0: ..., 1: ...}"
    return (
        f"Masks hold colours and no colours are declared: {listed}{more}. "
        f"Add to the dataset YAML, in the order of the classes: palette: {{{palette}}}{names}"
    )


def _legend_of_file(path: Path) -> Legend | None:
    with open_scene(path) as scene:
        return scene.legend


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
