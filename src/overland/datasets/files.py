"""Image files in folders, and which mask belongs to which image: by stem, never by the order of a listing."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from overland.datasets.dataset import Sample
from overland.datasets.issue import Issue, count_of, named_files
from overland.errors import UsageError

__all__ = [
    "SPLIT_NAMES",
    "group_from_name",
    "list_images",
    "pair_by_stem",
    "split_by_group",
    "split_folders",
]


_SUFFIXES = frozenset({".tif", ".tiff", ".png", ".jpg", ".jpeg", ".webp", ".jp2", ".bmp"})
_MASK_ENDING = re.compile(r"[_-](?:mask|masks|label|labels)$", re.IGNORECASE)
# Two numbers at the end are a chip's place in its scene (row and column, with or without a letter before them).
_CHIP_ENDING = re.compile(r"[_-][a-z]{0,3}\d+[_-][a-z]{0,3}\d+$", re.IGNORECASE)

SPLIT_NAMES: Mapping[str, str] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}


def list_images(folder: Path) -> list[Path]:
    """The images of a folder and of the folders below it, sorted; hidden files are left out."""
    inside = (path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    return sorted(path for path in inside if path.is_file() and not path.name.startswith("."))


def split_folders(root: Path) -> dict[str, Path]:
    """Folders directly below `root` that are named as splits; valid and validation mean val."""
    found = {path.name.lower(): path for path in sorted(root.iterdir()) if path.is_dir()}
    return {SPLIT_NAMES[name]: path for name, path in found.items() if name in SPLIT_NAMES}


def group_from_name(stem: str) -> str:
    """The scene that a chip was cut from, by its name: `city_0_512` is of `city`; other names are their own group."""
    return _CHIP_ENDING.sub("", stem)


def pair_by_stem(
    images: Sequence[Path], image_root: Path, masks: Sequence[Path], mask_root: Path, split: str
) -> tuple[tuple[Sample, ...], list[Issue]]:
    """Pair images and masks that have the same path below their roots, suffix aside.

    A mask may add _mask or _label to its stem. Returns the samples, without a mask where no mask was found, and one
    issue for each way in which the files do not match.
    """
    by_stem, issues = _by_stem(masks, mask_root)
    stems, doubles = _by_stem(images, image_root)
    issues += doubles
    loose = {_MASK_ENDING.sub("", stem): path for stem, path in by_stem.items()}
    samples = [
        Sample(f"{split}/{stem}", image, by_stem.get(stem) or loose.get(stem), group_from_name(stem))
        for stem, image in stems.items()
    ]
    issues += _unmatched(samples, masks, mask_root, split)
    return tuple(samples), issues


def _by_stem(paths: Iterable[Path], root: Path) -> tuple[dict[str, Path], list[Issue]]:
    groups: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        groups[path.relative_to(root).with_suffix("").as_posix()].append(path)
    doubles = [
        Issue(
            "error",
            "same-stem",
            f"{named_files(same)} have one stem, so it is open which of them is meant. Keep one of them.",
            tuple(same),
        )
        for same in groups.values()
        if len(same) > 1
    ]
    return {stem: same[0] for stem, same in groups.items()}, doubles


def _unmatched(samples: Sequence[Sample], masks: Sequence[Path], mask_root: Path, split: str) -> list[Issue]:
    issues = []
    bare = tuple(sample.image for sample in samples if sample.mask is None)
    if bare and (masks or split != "test"):
        message = (
            f"{len(bare)} of {count_of(samples, 'image')} in {split} without a mask: {named_files(bare)}. "
            f"Looked in {mask_root} for a file of the same stem; add the masks or remove the images."
        )
        issues.append(Issue("error", "missing-mask", message, bare))
    used = {sample.mask for sample in samples}
    orphans = tuple(mask for mask in masks if mask not in used)
    if orphans:
        message = (
            f"{count_of(orphans, 'mask')} in {split} without an image of the same stem: {named_files(orphans)}. "
            "Not used; add the images or remove the masks."
        )
        issues.append(Issue("error" if bare else "warning", "missing-image", message, orphans))
    return issues


# Splitting samples into train and val where the dataset does not: seeded, and never through a scene.


def split_by_group(
    samples: Sequence[Sample], val_fraction: float = 0.2, seed: int = 0
) -> tuple[dict[str, tuple[Sample, ...]], str]:
    """Split samples into train and val so that no group is in both, and say how in one line.

    Whole groups are drawn with the seed until `val_fraction` of the samples is reached; at least one group stays on each
    side. Samples of a single group are split one by one. Raises `UsageError` for a fraction that is not between 0 and 1.
    """
    if not 0 < val_fraction < 1:
        raise UsageError(f"val_fraction is {val_fraction}; it must lie between 0 and 1, such as 0.2.")
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.group].append(sample)
    by_what = "image" if len(groups) == len(samples) else "scene"
    if len(groups) < 2:
        groups, by_what = {sample.key: [sample] for sample in samples}, "image (all are of one scene)"
    if len(groups) < 2:
        return {"train": tuple(samples)}, "There is one image only: all of it is train, and nothing is left for val."
    val = _drawn(groups, val_fraction * len(samples), seed)
    parts = {
        "train": tuple(sample for sample in samples if sample.key not in val),
        "val": tuple(sample for sample in samples if sample.key in val),
    }
    counts = f"{len(parts['train'])} train and {len(parts['val'])} val"
    return parts, f"No val split is given: split by {by_what} with seed {seed} into {counts} images."


def _drawn(groups: Mapping[str, Sequence[Sample]], wanted: float, seed: int) -> set[str]:
    names = sorted(groups)
    random.Random(seed).shuffle(names)
    drawn: set[str] = set()
    for name in names:
        # A group that would overshoot by more than what is still lacking is left in train.
        if len(drawn) + len(groups[name]) / 2 <= wanted:
            drawn.update(sample.key for sample in groups[name])
    smallest = min(names, key=lambda name: len(groups[name]))
    return drawn or {sample.key for sample in groups[smallest]}
