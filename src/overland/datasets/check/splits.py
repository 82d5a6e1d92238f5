"""Checks between splits: the same image twice, the same scene on both sides, scenes that overlap on the ground."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from overland.datasets.check.survey import Record
from overland.datasets.issue import Issue, count_of, named_files

__all__ = ["check_duplicates", "check_groups", "check_overlaps"]

_LISTED = 5


def check_duplicates(records: Sequence[Record]) -> list[Issue]:
    """Report images with the same pixels, in two splits or in one; blank images are not compared.

    Args:
        records: The survey.

    Returns:
        Up to two issues.
    """
    same: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if record.image and record.image.digest and not record.image.is_constant:
            same[record.image.digest].append(record)
    repeated = [group for group in same.values() if len(group) > 1]
    across = [group for group in repeated if len({record.split for record in group}) > 1]
    within = [group for group in repeated if group not in across]
    return [
        Issue(
            "warning",
            code,
            f"{count_of(groups, 'image')} {where}, pixel for pixel "
            f"({' = '.join(record.sample.key for record in groups[0])}): {effect}",
            tuple(record.sample.image for group in groups for record in group),
        )
        for code, where, groups, effect in (
            (
                "duplicate-across-splits",
                "in two splits",
                across,
                "the score on one split is then partly that of images learned by heart. Keep each in one split.",
            ),
            ("duplicate-image", "twice in one split", within, "they count twice. Keep one of each."),
        )
        if groups
    ]


def check_groups(splits: Mapping[str, Sequence[Record]]) -> list[Issue]:
    """Report scenes or drives of which images are in two splits.

    Args:
        splits: The survey of each split.

    Returns:
        One issue or none.
    """
    where: dict[str, set[str]] = defaultdict(set)
    for split, records in splits.items():
        for record in records:
            where[record.sample.group].add(split)
    shared = sorted(group for group, names in where.items() if len(names) > 1)
    # Where all images have one group, their common prefix is the name of the set and not of a scene.
    if not shared or len(where) == 1:
        return []
    names = sorted({name for group in shared for name in where[group]})
    listed = ", ".join(shared[:_LISTED]) + (f" and {len(shared) - _LISTED} more" if len(shared) > _LISTED else "")
    files = tuple(r.sample.image for records in splits.values() for r in records if r.sample.group in shared)
    message = (
        f"{len(shared)} of {count_of(where, 'scene')} (or drives, by file name) with images in more than one of "
        f"{', '.join(names)}: {listed}. Neighbouring images look alike, so scores come out too high; split by scene."
    )
    return [Issue("warning", "group-in-two-splits", message, files)]


def check_overlaps(records: Sequence[Record]) -> list[Issue]:
    """Report georeferenced images of different splits that show the same ground.

    Args:
        records: The survey.

    Returns:
        One issue or none.
    """
    placed = [record for record in records if record.image and record.image.grid.is_georeferenced]
    pairs = []
    for crs in sorted({record.image.grid.crs or "" for record in placed if record.image}):
        alike = [r for r in placed if r.image and r.image.grid.crs == crs]
        boxes = np.array([record.image.grid.bounds for record in alike if record.image])
        splits = np.array([record.split for record in alike])
        for index, (left, bottom, right, top) in enumerate(boxes):
            rest = boxes[index + 1 :]
            meets = (rest[:, 0] < right) & (rest[:, 2] > left) & (rest[:, 1] < top) & (rest[:, 3] > bottom)
            others = index + 1 + np.flatnonzero(meets & (splits[index + 1 :] != splits[index]))
            pairs += [(alike[index], alike[int(other)]) for other in others]
    if not pairs:
        return []
    first = " and ".join(named_files([record.sample.image]) for record in pairs[0])
    files = tuple(dict.fromkeys(record.sample.image for pair in pairs for record in pair))
    message = (
        f"{count_of(pairs, 'pair')} of scenes in different splits with the same ground in view; the first is {first}. "
        "What is learned on one is scored on the other; split by place."
    )
    return [Issue("warning", "overlapping-scenes", message, files)]
