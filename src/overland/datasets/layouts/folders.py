"""Folders that anybody may have: images/ with masks/, and scenes with their labels next to them."""

from __future__ import annotations

from pathlib import Path

from overland.datasets.dataset import Sample
from overland.datasets.files import group_from_name, is_left_behind, split_folders
from overland.datasets.issue import count_of, named_files
from overland.datasets.layouts.layout import Layout, paired_folders

__all__ = [
    "IMAGE_FOLDERS",
    "layout_from_folders",
    "layout_from_scenes",
]

IMAGE_FOLDERS = ("images", "image", "imgs", "img")
_MASK_FOLDERS = ("masks", "mask", "labels", "label")
_LABEL_ENDINGS = ("_labels", "_label", "_mask")
_SCENE_SUFFIXES = {".tif", ".tiff"}


def layout_from_folders(root: Path) -> Layout | None:
    """Read `images/[split/]` with `masks/[split/]`, or `split/images/` with `split/masks/`, in any case.

    Args:
        root: The folder of the dataset.

    Returns:
        The layout; None where the folders are not there.
    """
    images, masks = _child(root, IMAGE_FOLDERS), _child(root, _MASK_FOLDERS)
    if images and masks:
        inner = split_folders(images)
        folders = [(split, path, masks / path.name) for split, path in inner.items()] or [("train", images, masks)]
    else:
        folders = []
        for split, folder in split_folders(root).items():
            images, masks = _child(folder, IMAGE_FOLDERS), _child(folder, _MASK_FOLDERS)
            if images and masks:
                folders.append((split, images, masks))
    if not folders:
        return None
    splits, problems = paired_folders(folders)
    lines: tuple[str, ...] = ()
    # A YAML finds masks where masks_dir takes the place of one folder's name, the same for all splits.
    mask_names = {
        part for _, _, path in folders for part in path.relative_to(root).parts if part.lower() in _MASK_FOLDERS
    }
    if len(mask_names) == 1:
        paths = (f"{split}: {images.relative_to(root).as_posix()}" for split, images, _ in folders)
        lines = ("path: .", *paths, f"masks_dir: {mask_names.pop()}")
    return Layout("folders of images and masks", root, splits, problems=problems, yaml_lines=lines)


def _child(root: Path, names: tuple[str, ...]) -> Path | None:
    by_name = {path.name.lower(): path for path in sorted(root.iterdir(), reverse=True) if path.is_dir()}
    return next((by_name[name] for name in names if name in by_name), None)


def layout_from_scenes(root: Path) -> Layout | None:
    """Read scenes X.tif with X_labels.tif next to them, in the folder or in its train, val and test.

    A scene without labels is left out, and a note says so.

    Args:
        root: The folder of the dataset.

    Returns:
        The layout; None where no scene has labels.
    """
    splits: dict[str, tuple[Sample, ...]] = {}
    bare: list[Path] = []
    for split, folder in (split_folders(root) or {"train": root}).items():
        files = {
            path.stem: path
            for path in sorted(folder.iterdir())
            if path.suffix.lower() in _SCENE_SUFFIXES and not is_left_behind(path)
        }
        labels = {stem + ending for stem in files for ending in _LABEL_ENDINGS if stem + ending in files}
        samples = []
        for stem, path in files.items():
            mask = next((files[stem + ending] for ending in _LABEL_ENDINGS if stem + ending in files), None)
            if stem not in labels and mask is None:
                bare.append(path)
            elif stem not in labels:
                samples.append(Sample(f"{split}/{stem}", path, mask, group_from_name(stem)))
        if samples:
            splits[split] = tuple(samples)
    if not splits:
        return None
    notes = (f"Left out: {count_of(bare, 'scene')} without labels next to it ({named_files(bare)}).",) if bare else ()
    return Layout("scenes with labels next to them", root, splits, notes=notes)
