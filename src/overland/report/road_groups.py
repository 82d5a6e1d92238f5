"""How roads are told apart on a map: by how probable they are, and by whether they were seen or bridge a gap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["BRIDGED_COLOR", "SEEN_COLOR", "RoadGroup", "road_groups"]

SEEN_COLOR = "#fff36b"
BRIDGED_COLOR = "#ff8c1a"
_MOSTLY = 0.5
# From magenta to pale yellow lightness grows with confidence, and no step depends on telling red from green.
_STEPS: tuple[tuple[float, str, str], ...] = (
    (0.0, "#d6336c", "under 0.5"),
    (0.5, "#f0623a", "0.5 to 0.7"),
    (0.7, "#ffa02e", "0.7 to 0.9"),
    (0.9, SEEN_COLOR, "0.9 and more"),
)


@dataclass(frozen=True)
class RoadGroup:
    """Roads that are drawn alike: their places in the list of all, a colour, and whether dashed."""

    label: str
    color: str
    dashed: bool
    members: npt.NDArray[np.int64]


def road_groups(mean_p: Sequence[float] | None = None, bridged: Sequence[float] | None = None) -> list[RoadGroup]:
    """Group roads by their mean probability, or where that is unknown by seen and bridged; empty without either.

    `bridged` is the share of a road that lies over gaps; from a half on it is dashed. Groups without a road are left
    out, those of low confidence come last so that they are drawn on top.
    """
    if mean_p is None and bridged is None:
        return []
    scores = np.asarray(mean_p if mean_p is not None else np.full(len(bridged or ()), np.nan), float)
    dashed = np.zeros(len(scores), bool) if bridged is None else np.asarray(bridged, float) >= _MOSTLY
    step = np.searchsorted([low for low, *_ in _STEPS], scores, side="right") - 1
    known = np.isfinite(scores)
    groups = [
        _group(f"probability {label}", color, over_gap, known & (step == index) & (dashed == over_gap))
        for index, (_, color, label) in reversed(list(enumerate(_STEPS)))
        for over_gap in (False, True)
    ]
    groups += [
        _group("seen", SEEN_COLOR, False, ~known & ~dashed),
        _group("", BRIDGED_COLOR, True, ~known & dashed),
    ]
    return [group for group in groups if len(group.members)]


def _group(label: str, color: str, dashed: bool, chosen: npt.NDArray[np.bool_]) -> RoadGroup:
    text = ", ".join(part for part in (label, "mostly over a gap" if dashed else "") if part)
    return RoadGroup(text, color, dashed, np.flatnonzero(chosen))
