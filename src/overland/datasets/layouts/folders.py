"""The layout of scenes with their labels beside them: X.tif and X_labels.tif."""

from __future__ import annotations

from pathlib import Path

from overland.datasets.dataset import Sample
from overland.datasets.files import group_from_name, split_folders
from overland.datasets.issue import count_of, named_files
from overland.datasets.layouts.layout import Layout, paired_folders

__all__ = [
    "layout_from_folders",
    "layout_from_scenes",
]


# The layout images/ + masks/, flat or with train, val and test below.

_IMAGES = ("images", "image", "imgs")
_MASKS = ("masks", "mask", "labels")


def layout_from_folders(root: Path) -> Layout | None:
    """Read `images/[split/]` with `masks/[split/]`, or `split/images/` with `split/masks/`; None without them."""
    images, masks = _child(root, _IMAGES), _child(root, _MASKS)
    if images and masks:
        inner = split_folders(images)
        folders = [(split, path, masks / path.name) for split, path in inner.items()] or [("train", images, masks)]
    else:
        folders = []
        for split, folder in split_folders(root).items():
            images, masks = _child(folder, _IMAGES), _child(folder, _MASKS)
            if images and masks:
                folders.append((split, images, masks))
    if not folders:
        return None
    splits, problems = paired_folders(folders)
    lines = _yaml_lines(root, folders)
    return Layout("folders of images and masks", root, splits, problems=problems, yaml_lines=lines)


def _yaml_lines(root: Path, folders: list[tuple[str, Path, Path]]) -> tuple[str, ...]:
    if any("images" not in images.relative_to(root).parts for _, images, _ in folders):
        return ()
    masks = folders[0][2].relative_to(root).parts
    masks_dir = next(name for name in masks if name in _MASKS)
    paths = (f"{split}: {images.relative_to(root).as_posix()}" for split, images, _ in folders)
    return ("path: .", *paths, f"masks_dir: {masks_dir}")


def _child(root: Path, names: tuple[str, ...]) -> Path | None:
    return next((root / name for name in names if (root / name).is_dir()), None)


_ENDINGS = ("_labels", "_label", "_mask")
_SUFFIXES = {".tif", ".tiff"}


def layout_from_scenes(root: Path) -> Layout | None:
    """Read scenes with labels beside them, in the folder or in its train, val and test; None when there are none.

    A scene without labels is left out, and a note says so.
    """
    folders = split_folders(root) or {"train": root}
    splits: dict[str, tuple[Sample, ...]] = {}
    bare: list[Path] = []
    for split, folder in folders.items():
        samples, unlabelled = _pairs(folder, split)
        bare += unlabelled
        if samples:
            splits[split] = samples
    if not splits:
        return None
    notes = (f"Left out: {count_of(bare, 'scene')} without labels beside it ({named_files(bare)}).",) if bare else ()
    return Layout("scenes with labels beside them", root, splits, notes=notes)


def _pairs(folder: Path, split: str) -> tuple[tuple[Sample, ...], list[Path]]:
    files = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in _SUFFIXES}
    labels = {stem + ending for stem in files for ending in _ENDINGS if stem + ending in files}
    samples, bare = [], []
    for stem, path in files.items():
        if stem in labels:
            continue
        mask = next((files[stem + ending] for ending in _ENDINGS if stem + ending in files), None)
        if mask is None:
            bare.append(path)
        else:
            samples.append(Sample(f"{split}/{stem}", path, mask, group_from_name(stem)))
    return tuple(samples), bare
