"""The layout of scenes with their labels beside them: X.tif and X_labels.tif."""

from __future__ import annotations

from pathlib import Path

from overland.datasets.dataset import Sample
from overland.datasets.files import group_from_name, split_folders
from overland.datasets.finding import count_of, named_files
from overland.datasets.layouts.layout import Layout

__all__ = ["layout_from_scenes"]

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
        target = next((files[stem + ending] for ending in _ENDINGS if stem + ending in files), None)
        if target is None:
            bare.append(path)
        else:
            samples.append(Sample(f"{split}/{stem}", path, target, group_from_name(stem)))
    return tuple(samples), bare
