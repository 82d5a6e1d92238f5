"""A dataset that is described by a YAML file, as Ultralytics describes semantic segmentation sets."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from overland.datasets.dataset import Sample
from overland.datasets.files import SPLIT_NAMES, list_images, pair_by_stem
from overland.datasets.issue import Issue, named_files
from overland.datasets.layouts.layout import Layout
from overland.errors import DataError
from overland.legend import IGNORE_INDEX, Color, Legend, legend_from_names

__all__ = [
    "description_in_folder",
    "layout_from_yaml",
    "samples_from_sources",
]


# What a dataset YAML gives as the images of a split: a folder, a list in a .txt file, or several of these.

_IMAGES = "images"


def samples_from_sources(
    yaml_path: Path, split: str, declared: object, base: Path, masks_dir: str
) -> tuple[tuple[Sample, ...], list[Issue]]:
    """Find the images of a split and their masks; `declared` is the value that the YAML has for the split.

    Returns the samples and what does not match. Raises `DataError` for a source that does not exist and for one
    whose path has no component "images", so that there is nothing that `masks_dir` could replace.
    """
    entries = [str(entry) for entry in declared] if isinstance(declared, list) else [str(declared)]
    samples: list[Sample] = []
    issues: list[Issue] = []
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
        issues += problems
    if not samples:
        message = f"{yaml_path} says {split}: {', '.join(entries)}, and there is no image. Is the path right?"
        issues.append(Issue("error", "no-images", message))
    return tuple(samples), issues


def _from_folder(yaml_path: Path, source: Path, prefix: str, masks_dir: str) -> tuple[tuple[Sample, ...], list[Issue]]:
    mask_root = _mask_folder(yaml_path, source, masks_dir)
    masks = list_images(mask_root) if mask_root.is_dir() else []
    return pair_by_stem(list_images(source), source, masks, mask_root, prefix)


def _from_list(
    yaml_path: Path, source: Path, base: Path, prefix: str, masks_dir: str
) -> tuple[tuple[Sample, ...], list[Issue]]:
    lines = source.read_text(encoding="utf-8").splitlines()
    images = [Path(os.path.normpath(base / line.strip())) for line in lines if line.strip()]
    absent = [path for path in images if not path.is_file()]
    if absent:
        raise DataError(f"{source} lists images that do not exist: {named_files(absent)}.")
    samples: list[Sample] = []
    issues: list[Issue] = []
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
        issues += problems
    return tuple(samples), issues


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


_FILE_NAMES = ("data.yaml", "dataset.yaml", "data.yml", "dataset.yml")
_SPLIT_KEYS = ("train", "val", "valid", "validation", "test")
_OWN_KEYS = ("path", *_SPLIT_KEYS, "names", "masks_dir", "label_mapping", "palette", "colors")
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
_IGNORED_WORDS = ("ignore_label", "ignore")


def description_in_folder(root: Path) -> Path | None:
    """The one data.yaml or dataset.yaml of a folder, None without. Raises `DataError` when there are several."""
    found = [root / name for name in _FILE_NAMES if (root / name).is_file()]
    if len(found) > 1:
        raise DataError(f"{root} holds {' and '.join(path.name for path in found)}; name the one that is meant.")
    return found[0] if found else None


def layout_from_yaml(path: Path) -> Layout:
    """Read a dataset YAML: `path`, `train`, `val`, `test`, `masks_dir`, `names`, `label_mapping` and `palette`.

    `masks_dir` takes the place of the last "images" in an image's path. Raises `DataError` for a file that is no
    dataset YAML, for an unknown key and for a folder that does not exist.
    """
    values = _read(path)
    legend, colors = _classes(path, values)
    base = _base_folder(path, values.get("path"))
    splits: dict[str, tuple[Sample, ...]] = {}
    problems: list[Issue] = []
    for key in _SPLIT_KEYS:
        if values.get(key):
            split = SPLIT_NAMES[key]
            masks_dir = str(values.get("masks_dir") or "masks")
            splits[split], issues = samples_from_sources(path, split, values[key], base, masks_dir)
            problems += issues
    if not splits:
        raise DataError(f"{path} names no images; it needs at least train: images/train.")
    mapping = _label_mapping(path, values.get("label_mapping"), legend.num_classes)
    return Layout(f"dataset YAML {path.name}", base, splits, legend, mapping, colors, tuple(problems))


def _read(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not valid YAML ({' '.join(str(error).split())}).") from error
    if not isinstance(values, dict):
        raise DataError(f"{path} is no dataset YAML; it needs the keys train, val and names.")
    for key in values:
        if key not in _OWN_KEYS and key not in _OTHER_KEYS:
            close = difflib.get_close_matches(str(key), _OWN_KEYS, n=1)
            hint = f"Did you mean {close[0]}?" if close else f"Known are {', '.join(_OWN_KEYS)}."
            raise DataError(f"{path} has an unknown key {key!r}. {hint}")
    return values


def _base_folder(path: Path, declared: object) -> Path:
    if declared is None:
        return path.parent
    # Ultralytics resolves a relative path in its folder of datasets: the YAML may lie inside the folder that it names.
    candidates = [path.parent / str(declared), path.parent.parent / str(declared)]
    for candidate in candidates:
        if candidate.is_dir():
            return path.parent if candidate.samefile(path.parent) else candidate
    raise DataError(
        f"{path} says path: {declared}, which is no folder beside it. Looked for {candidates[0]} and {candidates[1]}; "
        'write path: "." when the images are in the folder of the YAML.'
    )


def _classes(path: Path, values: Mapping[str, Any]) -> tuple[Legend, tuple[tuple[Color, int], ...] | None]:
    names = values.get("names")
    if not isinstance(names, list | dict) or len(names) < 2:
        raise DataError(
            f"{path} needs names with at least two classes, such as names: {{0: background, 1: road}}; got {names!r}."
        )
    if values.get("nc") not in (None, len(names)):
        raise DataError(f"{path} says nc: {values['nc']} and names {len(names)} classes; correct one of them.")
    by_id = {_whole(path, key): str(name) for key, name in names.items()} if isinstance(names, dict) else names
    declared = values.get("palette") or values.get("colors")
    if declared is None:
        return legend_from_names(by_id), None
    items = declared.items() if isinstance(declared, dict) else enumerate(declared)
    table = {_id(path, key, len(names)): _color(path, color) for key, color in items}
    if not all(index in table for index in range(len(names))):
        raise DataError(f"{path} has a palette without a colour for every class; {len(names)} are needed.")
    legend = legend_from_names(by_id, [table[index] for index in range(len(names))])
    return legend, tuple((color, index) for index, color in table.items())


def _color(path: Path, value: object) -> Color:
    if isinstance(value, list) and len(value) == 3 and all(isinstance(v, int) and 0 <= v <= 255 for v in value):
        return value[0], value[1], value[2]
    raise DataError(
        f"{path} has the colour {value!r} in its palette; a colour is [red, green, blue] with values 0 to 255."
    )


def _label_mapping(path: Path, declared: object, num_classes: int) -> dict[int, int] | None:
    if declared is None:
        return None
    if not isinstance(declared, dict):
        raise DataError(f"{path} has a label_mapping that is no table; write label_mapping: {{0: 0, 255: 1}}.")
    return {_whole(path, value): _id(path, index, num_classes) for value, index in declared.items()}


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
