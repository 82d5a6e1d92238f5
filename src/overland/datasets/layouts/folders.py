"""The layout images/ + masks/, flat or with train, val and test below."""

from __future__ import annotations

from pathlib import Path

from overland.datasets.files import split_folders
from overland.datasets.layouts.layout import Layout, paired_folders

__all__ = ["layout_from_folders"]

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
