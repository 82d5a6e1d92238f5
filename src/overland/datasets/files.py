"""Image files in folders: which of them are images, which mask belongs to which image, and which split an image is in.

Pairs are made by the path below the folder, suffix aside, never by the order of a listing. A split that a dataset does
not have is drawn with a seed, and never through a scene.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from overland.datasets.dataset import Sample
from overland.datasets.issue import Issue, count_of, named_files
from overland.errors import UsageError

__all__ = [
    "IMAGE_SUFFIXES",
    "SPLIT_NAMES",
    "distinct_names",
    "group_from_name",
    "is_left_behind",
    "list_images",
    "pair_by_stem",
    "split_by_group",
    "split_folders",
]

IMAGE_SUFFIXES = frozenset({".tif", ".tiff", ".png", ".jpg", ".jpeg", ".webp", ".jp2", ".bmp"})
_MASK_ENDING = re.compile(r"[_-](?:mask|masks|label|labels)$", re.IGNORECASE)
# Two numbers at the end are a chip's place in its scene (row and column, with or without a letter before them).
_CHIP_ENDING = re.compile(r"[_-][a-z]{0,3}\d+[_-][a-z]{0,3}\d+$", re.IGNORECASE)
# Folders in which Finder's archives, Synology and Windows keep copies and thumbnails under the image's own name.
_LEFT_BEHIND = frozenset({"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information"})

SPLIT_NAMES: Mapping[str, str] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


def is_left_behind(path: Path) -> bool:
    """Tell whether a file or folder was left by a program beside the data: hidden ones, `._` of macOS, thumbnails.

    Args:
        path: A path; only its own name is looked at.

    Returns:
        True for what is no part of a dataset.
    """
    return path.name.startswith(".") or path.name in _LEFT_BEHIND


def list_images(folder: Path) -> list[Path]:
    """List the images of a folder and of the folders below it.

    Args:
        folder: The folder.

    Returns:
        The files in order; hidden ones, those in hidden folders (such as Jupyter's checkpoints) and what programs left
        behind are not among them.
    """
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES
        and path.is_file()
        and not any(map(is_left_behind, (path, *path.parents[: len(path.relative_to(folder).parts) - 1])))
    )


def split_folders(root: Path) -> dict[str, Path]:
    """Find the folders directly below a folder that are named as splits, in any case.

    Args:
        root: The folder.

    Returns:
        The folder of each split; valid and validation are val.
    """
    found = {path.name.lower(): path for path in sorted(root.iterdir()) if path.is_dir()}
    return {SPLIT_NAMES[name]: path for name, path in found.items() if name in SPLIT_NAMES}


def group_from_name(stem: str) -> str:
    """Return the scene that a chip was cut from, by its name.

    Args:
        stem: The file's name without suffix.

    Returns:
        The name without the two numbers at its end: `city_0_512` is of `city`. Other names are their own group.
    """
    return _CHIP_ENDING.sub("", stem)


def distinct_names(folders: Sequence[Path]) -> list[str]:
    """Name folders by the parts of their paths in which they differ.

    Args:
        folders: Folders, such as train/rural/images and train/urban/images.

    Returns:
        A name for each, no two alike, such as rural and urban; empty for a single folder.
    """
    parts = [folder.parts for folder in folders]
    if len(parts) < 2:
        return [""] * len(parts)
    shortest = min(map(len, parts))
    head = next((i for i in range(shortest) if len({p[i] for p in parts}) > 1), shortest)
    tail = next((i for i in range(shortest - head) if len({p[-1 - i] for p in parts}) > 1), shortest - head)
    names = ["-".join(p[head : len(p) - tail]) or p[-1] for p in parts]
    return names if len(set(names)) == len(names) else [f"{name}-{i}" for i, name in enumerate(names, 1)]


def pair_by_stem(
    images: Sequence[Path],
    image_root: Path,
    masks: Sequence[Path],
    mask_root: Path,
    split: str,
    *,
    name: str = "",
) -> tuple[tuple[Sample, ...], list[Issue]]:
    """Pair images and masks that have the same path below their roots, suffix aside.

    A mask may add _mask or _label to its stem. Names are compared in one Unicode form, since macOS decomposes umlauts.

    Args:
        images: The images.
        image_root: The folder that they lie in.
        masks: The masks.
        mask_root: The folder that they lie in.
        split: The split.
        name: Name of the folder where the split has several, which keeps equal file names apart.

    Returns:
        The samples, with no mask where none was found, and an issue for each way in which the files do not match.
    """
    by_stem, issues = _by_stem(masks, mask_root)
    stems, doubles = _by_stem(images, image_root)
    issues += doubles
    loose = {_MASK_ENDING.sub("", stem): path for stem, path in by_stem.items()}
    prefix = f"{name}/" if name else ""
    samples = [
        Sample(
            f"{split}/{prefix}{stem}", image, by_stem.get(stem) or loose.get(stem), f"{prefix}{group_from_name(stem)}"
        )
        for stem, image in stems.items()
    ]
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
    return tuple(samples), issues


def _by_stem(paths: Iterable[Path], root: Path) -> tuple[dict[str, Path], list[Issue]]:
    groups: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        groups[unicodedata.normalize("NFC", path.relative_to(root).with_suffix("").as_posix())].append(path)
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


def split_by_group(
    samples: Sequence[Sample], val_fraction: float = 0.2, seed: int = 0
) -> tuple[dict[str, tuple[Sample, ...]], str]:
    """Split samples into train and val so that no group is in both.

    Whole groups are drawn with the seed until the fraction of the samples is reached; at least one group stays on each
    side. Samples of a single group are split one by one.

    Args:
        samples: The samples.
        val_fraction: Fraction of them that becomes val.
        seed: Seed of the draw.

    Returns:
        The samples of each split, and a line that says how they were split.

    Raises:
        UsageError: The fraction does not lie between 0 and 1.
    """
    if not 0 < val_fraction < 1:
        raise UsageError(f"val_fraction is {val_fraction}; it must lie between 0 and 1, such as 0.2.")
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.group].append(sample)
    unit = "image" if len(groups) == len(samples) else "scene"
    if len(groups) < 2:
        groups, unit = {sample.key: [sample] for sample in samples}, "image (all are of one scene)"
    if len(groups) < 2:
        return {"train": tuple(samples)}, "There is one image only: all of it is train, and nothing is left for val."
    names = sorted(groups)
    random.Random(seed).shuffle(names)
    val: set[str] = set()
    for name in names:
        # A group that would overshoot by more than what is still lacking is left in train.
        if len(val) + len(groups[name]) / 2 <= val_fraction * len(samples):
            val.update(sample.key for sample in groups[name])
    if not val:
        smallest = min(names, key=lambda name: len(groups[name]))
        val = {sample.key for sample in groups[smallest]}
    parts = {
        "train": tuple(sample for sample in samples if sample.key not in val),
        "val": tuple(sample for sample in samples if sample.key in val),
    }
    counts = f"{len(parts['train'])} train and {len(parts['val'])} val"
    return parts, f"No val split is given: split by {unit} with seed {seed} into {counts} images."
