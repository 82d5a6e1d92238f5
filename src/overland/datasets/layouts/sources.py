"""What a dataset YAML gives as the images of a split: a folder, a list in a .txt file, or several of these."""

from __future__ import annotations

import os
from pathlib import Path

from overland.datasets.dataset import Sample
from overland.datasets.files import list_images, pair_by_stem
from overland.datasets.finding import Finding, named_files
from overland.errors import DataError

__all__ = ["samples_from_sources"]

_IMAGES = "images"


def samples_from_sources(
    yaml_path: Path, split: str, declared: object, base: Path, masks_dir: str
) -> tuple[tuple[Sample, ...], list[Finding]]:
    """Find the images of a split and their masks; `declared` is the value that the YAML has for the split.

    Returns the samples and what does not match. Raises `DataError` for a source that does not exist and for one
    whose path has no component "images", so that there is nothing that `masks_dir` could replace.
    """
    entries = [str(entry) for entry in declared] if isinstance(declared, list) else [str(declared)]
    samples: list[Sample] = []
    findings: list[Finding] = []
    for entry in entries:
        source = Path(os.path.normpath(base / entry))
        prefix = split if len(entries) == 1 else f"{split}/{source.stem}"
        if source.is_dir():
            found, problems = _from_folder(yaml_path, source, prefix, masks_dir)
        elif source.suffix == ".txt" and source.is_file():
            found, problems = _from_list(yaml_path, source, base, prefix, masks_dir)
        else:
            folders = ", ".join(sorted(path.name for path in base.iterdir() if path.is_dir())) or "none"
            raise DataError(
                f"{yaml_path} says {split}: {entry}, and {source} does not exist. Folders in {base}: {folders}."
            )
        samples += found
        findings += problems
    if not samples:
        message = f"{yaml_path} says {split}: {', '.join(entries)}, and there is no image. Is the path right?"
        findings.append(Finding("error", "no-images", message))
    return tuple(samples), findings


def _from_folder(
    yaml_path: Path, source: Path, prefix: str, masks_dir: str
) -> tuple[tuple[Sample, ...], list[Finding]]:
    mask_root = _mask_folder(yaml_path, source, masks_dir)
    masks = list_images(mask_root) if mask_root.is_dir() else []
    return pair_by_stem(list_images(source), source, masks, mask_root, prefix)


def _from_list(
    yaml_path: Path, source: Path, base: Path, prefix: str, masks_dir: str
) -> tuple[tuple[Sample, ...], list[Finding]]:
    lines = source.read_text(encoding="utf-8").splitlines()
    images = [Path(os.path.normpath(base / line.strip())) for line in lines if line.strip()]
    absent = [path for path in images if not path.is_file()]
    if absent:
        raise DataError(f"{source} lists images that do not exist: {named_files(absent)}.")
    samples: list[Sample] = []
    findings: list[Finding] = []
    folders = sorted({path.parent for path in images})
    for folder in folders:
        listed = [path for path in images if path.parent == folder]
        mask_root = _mask_folder(yaml_path, folder, masks_dir)
        # Masks of images that are not on the list belong to other splits: they are no orphans.
        stems = {path.stem for path in listed}
        masks = [path for path in list_images(mask_root) if path.stem in stems] if mask_root.is_dir() else []
        key = prefix if len(folders) == 1 else f"{prefix}/{folder.name}"
        found, problems = pair_by_stem(listed, folder, masks, mask_root, key)
        samples += found
        findings += problems
    return tuple(samples), findings


def _mask_folder(yaml_path: Path, folder: Path, masks_dir: str) -> Path:
    parts = list(folder.parts)
    if _IMAGES not in parts:
        raise DataError(
            f"{yaml_path}: the path {folder} has no folder named {_IMAGES}, and masks are looked for where masks_dir "
            f"({masks_dir}) takes its place. Move the images to {_IMAGES}/ and the masks to {masks_dir}/."
        )
    last = len(parts) - 1 - parts[::-1].index(_IMAGES)
    parts[last] = masks_dir
    return Path(*parts)
