"""A dataset that is described by a YAML file, as Ultralytics describes semantic segmentation sets.

The images of a split are a folder, a list in a .txt file, or several of these. `masks_dir` takes the place of one
folder in an image's path: the last one that is called images (or image, imgs, img), else the last of all.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath
from typing import Any, TypeAlias

from overland.datasets.dataset import Sample
from overland.datasets.files import SPLIT_NAMES, distinct_names, list_images, pair_by_stem
from overland.datasets.issue import Issue, named_files
from overland.datasets.layouts.folders import IMAGE_FOLDERS
from overland.datasets.layouts.layout import Layout
from overland.errors import DataError
from overland.legend import IGNORE_INDEX, Color, Legend, legend_from_names
from overland.text import check_name, closest_name, load_yaml, read_text

__all__ = ["description_in_folder", "layout_from_yaml"]

_FILE_NAMES = ("data.yaml", "dataset.yaml", "data.yml", "dataset.yml")
_SPLIT_KEYS = ("train", "val", "valid", "validation", "test")
_OWN_KEYS = ("path", *_SPLIT_KEYS, "names", "masks_dir", "label_mapping", "palette", "colors", "pixel_size")
# Read by others and of no meaning here; a download is never executed.
_OTHER_KEYS = (
    "nc",
    "download",
    "channels",
    "task",
    "minival",
    "kpt_shape",
    "flip_idx",
    "roboflow",
    "license",
    "description",
)
_IGNORED_WORDS = ("ignore_label", "ignore", -1)

_Found: TypeAlias = tuple[tuple[Sample, ...], list[Issue]]
_Splits: TypeAlias = dict[str, tuple[Sample, ...]]


def description_in_folder(root: Path) -> Path | None:
    """Find the data.yaml or dataset.yaml of a folder.

    Args:
        root: The folder.

    Returns:
        The file; None where there is none.

    Raises:
        DataError: There are several.
    """
    found = [root / name for name in _FILE_NAMES if (root / name).is_file()]
    if len(found) > 1:
        raise DataError(f"{root} holds {' and '.join(path.name for path in found)}; name the one that is meant.")
    return found[0] if found else None


def layout_from_yaml(path: Path) -> Layout:
    """Read a dataset YAML.

    Its keys are `path`, `train`, `val`, `test`, `masks_dir`, `names`, `label_mapping`, `palette` and `pixel_size`: the
    side of a pixel in metres, for images that have no place on the ground.

    Args:
        path: The file.

    Returns:
        The layout.

    Raises:
        DataError: The file is no dataset YAML, has an unknown key or a key twice, or names a folder that does not
            exist.
    """
    otherwise = "is no dataset YAML; it needs the keys train, val and names"
    values = load_yaml(path, refusal=DataError, otherwise=otherwise)
    for key in values:
        if key not in _OWN_KEYS and key not in _OTHER_KEYS:
            hint = closest_name(key, _OWN_KEYS).removeprefix("; ").capitalize()
            raise DataError(f"{path} has an unknown key {key!r}. {hint or 'Known are ' + ', '.join(_OWN_KEYS) + '.'}")
    legend, colors = _classes(path, values)
    base = _base_folder(path, values.get("path"))
    splits, problems, notes = _read_splits(path, values, base)
    mapping = values.get("label_mapping")
    if mapping is not None:
        if not isinstance(mapping, dict):
            raise DataError(f"{path} has a label_mapping that is no table; write label_mapping: {{0: 0, 255: 1}}.")
        mapping = {_whole(path, value): _id(path, index, legend.num_classes) for value, index in mapping.items()}
    size = values.get("pixel_size")
    if size is not None:
        if not isinstance(size, int | float) or isinstance(size, bool) or not 0 < size < float("inf"):
            raise DataError(f"{path} says pixel_size: {size}; write the side of a pixel in metres, as pixel_size: 0.5.")
        size = float(size)
    return Layout(
        f"dataset YAML {path.name}", base, splits, legend, mapping, colors, problems, notes, pixel_size_m=size
    )


def _read_splits(
    path: Path, values: Mapping[str, Any], base: Path
) -> tuple[_Splits, tuple[Issue, ...], tuple[str, ...]]:
    """Return the samples of each split, the problems of the files and notes on what is left out."""
    masks_dir = str(values.get("masks_dir") or "masks")
    splits: _Splits = {}
    problems: list[Issue] = []
    notes: list[str] = []
    for key in _SPLIT_KEYS:
        if not values.get(key):
            continue
        split = SPLIT_NAMES[key]
        entries = values[key] if isinstance(values[key], list) else [values[key]]
        sources = []
        for entry in map(str, entries):
            # Windows writes backslashes; Roboflow writes ../train/images for what lies next to the YAML.
            slashed = entry.replace("\\", "/")
            paths = [Path(os.path.normpath(base / name)) for name in (entry, slashed, slashed.removeprefix("../"))]
            sources.append(next((p for p in paths if p.is_dir() or (p.suffix == ".txt" and p.is_file())), None))
        absent = next((i for i, source in enumerate(sources) if source is None), None)
        if absent is not None and split == "test":
            # Exporters write the line for a split that they then leave out; nothing is learned or tuned on test.
            notes.append(f"Left out: test, for {entries[absent]} does not exist.")
            continue
        if absent is not None:
            folders = ", ".join(sorted(entry.name for entry in base.iterdir() if entry.is_dir())) or "none"
            raise DataError(
                f"{path} says {key}: {entries[absent]}, and {Path(os.path.normpath(base / str(entries[absent])))} does "
                f"not exist. Folders in {base}: {folders}."
            )
        samples, issues = _split_samples(path, split, [source for source in sources if source], base, masks_dir)
        splits[split] = splits.get(split, ()) + samples
        problems += issues
        if not samples:
            message = f"{path} says {key}: {', '.join(map(str, entries))}, and there is no image. Is the path right?"
            problems.append(Issue("error", "no-images", message))
    if not splits:
        raise DataError(f"{path} names no images; it needs at least train: images/train.")
    return splits, tuple(problems), tuple(notes)


def _base_folder(path: Path, declared: object) -> Path:
    if declared is None:
        return path.parent
    # Ultralytics resolves a relative path in its folder of datasets: the YAML may lie inside the folder that it names.
    candidates = [path.parent / str(declared), path.parent.parent / str(declared)]
    for candidate in candidates:
        if candidate.is_dir():
            return path.parent if candidate.samefile(path.parent) else candidate
    raise DataError(
        f"{path} says path: {declared}, which is no folder next to it. Looked for {candidates[0]} and {candidates[1]}; "
        'write path: "." when the images are in the folder of the YAML.'
    )


def _split_samples(yaml_path: Path, split: str, sources: list[Path], base: Path, masks_dir: str) -> _Found:
    samples: list[Sample] = []
    issues: list[Issue] = []
    for source, name in zip(sources, distinct_names(sources), strict=True):
        if source.is_dir():
            mask_root = _mask_folder(yaml_path, source, masks_dir)
            masks = list_images(mask_root) if mask_root.is_dir() else []
            found, problems = pair_by_stem(list_images(source), source, masks, mask_root, split, name=name)
            samples += found
            issues += problems
            continue
        images = []
        for line in filter(None, map(str.strip, read_text(source).splitlines())):
            image = Path(os.path.normpath(base / line))
            images.append(image if image.is_file() else Path(os.path.normpath(base / PureWindowsPath(line).as_posix())))
        repeated = tuple(path for path, count in Counter(images).items() if count > 1)
        if repeated:
            message = f"{source} lists images twice: {named_files(repeated)}. Each counts once."
            issues.append(Issue("warning", "listed-twice", message, repeated))
            images = list(dict.fromkeys(images))
        absent = [path for path in images if not path.is_file()]
        if absent:
            raise DataError(f"{source} lists images that do not exist: {named_files(absent)}.")
        folders = sorted({path.parent for path in images})
        for folder, part in zip(folders, distinct_names(folders), strict=True):
            listed = [path for path in images if path.parent == folder]
            mask_root = _mask_folder(yaml_path, folder, masks_dir)
            # Masks of images that are not on the list belong to other splits: they are no orphans.
            stems = {path.stem for path in listed}
            masks = [path for path in list_images(mask_root) if path.stem in stems] if mask_root.is_dir() else []
            key = "/".join(filter(None, (name, part)))
            found, problems = pair_by_stem(listed, folder, masks, mask_root, split, name=key)
            samples += found
            issues += problems
    return tuple(samples), issues


def _mask_folder(yaml_path: Path, folder: Path, masks_dir: str) -> Path:
    parts = list(folder.parts)
    named = [i for i, part in enumerate(parts) if part == IMAGE_FOLDERS[0]]
    named = named or [i for i, part in enumerate(parts) if part.lower() in IMAGE_FOLDERS] or [len(parts) - 1]
    parts[named[-1]] = masks_dir
    masks = Path(*parts)
    if folder.parts[named[-1]].lower() not in IMAGE_FOLDERS and not masks.is_dir():
        raise DataError(
            f"{yaml_path}: the path {folder} has no folder named {IMAGE_FOLDERS[0]}, and masks are looked for where "
            f"masks_dir ({masks_dir}) takes its place; nor is there {masks}. Move the images to {IMAGE_FOLDERS[0]}/ "
            f"and the masks to {masks_dir}/."
        )
    return masks


def _classes(path: Path, values: Mapping[str, Any]) -> tuple[Legend, tuple[tuple[Color, int], ...] | None]:
    names = values.get("names")
    if not isinstance(names, list | dict) or len(names) < 2:
        shown = repr(names)[:80]
        raise DataError(
            f"{path} needs names with at least two classes, such as names: {{0: background, 1: road}}; got {shown}."
        )
    if values.get("nc") not in (None, len(names)):
        raise DataError(f"{path} says nc: {values['nc']} and names {len(names)} classes; correct one of them.")
    items = names.items() if isinstance(names, dict) else enumerate(names)
    by_id = {_whole(path, key): check_name(name, str(path)) for key, name in items}
    declared = values.get("palette") or values.get("colors")
    if declared is None:
        return legend_from_names(by_id), None
    if not isinstance(declared, list | dict):
        raise DataError(f"{path} has a palette that is no table; write palette: {{0: [0, 0, 0], 1: [255, 0, 0]}}.")
    colors = declared.items() if isinstance(declared, dict) else enumerate(declared)
    table: dict[int, Color] = {}
    for key, color in colors:
        index = _id(path, key, len(names))
        if (
            not isinstance(color, list)
            or len(color) != 3
            or not all(isinstance(v, int) and 0 <= v <= 255 for v in color)
        ):
            raise DataError(
                f"{path} has the colour {color!r} in its palette; a colour is [red, green, blue] with values 0 to 255."
            )
        table[index] = color[0], color[1], color[2]
    if not all(index in table for index in range(len(names))):
        raise DataError(f"{path} has a palette without a colour for every class; {len(names)} are needed.")
    legend = legend_from_names(by_id, [table[index] for index in range(len(names))])
    return legend, tuple((color, index) for index, color in table.items())


def _id(path: Path, value: object, num_classes: int) -> int:
    if value in _IGNORED_WORDS:
        return IGNORE_INDEX
    index = _whole(path, value)
    if not 0 <= index < num_classes and index != IGNORE_INDEX:
        raise DataError(
            f"{path} maps to the class {index}, and the classes are 0 to {num_classes - 1} or ignore_label."
        )
    return index


def _whole(path: Path, value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise DataError(f"{path} has {value!r} where a whole number is needed.") from None
