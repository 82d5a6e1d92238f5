"""Download a public dataset to a folder that every other workflow reads."""

from __future__ import annotations

import json
import logging
import os
import shlex
import shutil
from collections.abc import Sequence, Set
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from overland.datasets.download import (
    SOURCES,
    Source,
    check_space,
    download_cityscapes,
    download_kaggle,
    fetch_file,
    sha256_of,
    unpack_archive,
)
from overland.datasets.layouts import dataset_from_layout, layout_from_path
from overland.errors import AccessError, DataError, MissingExtraError, UsageError

__all__ = ["download_data"]

logger = logging.getLogger("overland")

_RECORD = "download.json"
_PART = ".part"
_ARCHIVES = (".zip", ".tar", ".tgz", ".gz")
_CITYSCAPES_FOLDER = "CITYSCAPES_DATASET"


def download_data(
    name: str,
    output: str | Path | None = None,
    *,
    archives: Sequence[str | Path] = (),
    overwrite: bool = False,
) -> dict[str, Any]:
    """Download a public dataset, unpack it and read it once.

    `name` is a key of `overland.datasets.download.SOURCES`. `output` is the folder, by default `name` (for Cityscapes
    the one that CITYSCAPES_DATASET names); a dataset that is there already is only read. `archives` are files that
    were downloaded by hand; archives that lie in the folder are used too. A run that was cut goes on where it was.
    Returns plain values: `folder`, `downloaded`, `layout`, `images` and `labelled` in each split, `classes`, where it
    comes from, and the commands to go on with. Raises `AccessError` for credentials and network, `ResourceError` for
    the disk, `DataError` for archives that are damaged, unsafe or of another dataset, `UsageError` for an unknown
    name and for a folder that holds something else.
    """
    source = _source(name)
    folder = _folder(source, output)
    if _is_there(source, folder) and not (archives or overwrite):
        return _result(source, folder, folder, downloaded=False)
    found = [Path(path) for path in archives] or _archives_in(folder)
    _check_folder(folder, found, overwrite)
    # In a folder that is there, for it may be a disk of its own, and files can only be renamed on one disk.
    part = folder / _PART if folder.is_dir() else folder.with_name(folder.name + _PART)
    files, record = _unpacked(source, part, found) if found else _downloaded(source, folder, part)
    values = _checked(source, folder, files)
    (files / _RECORD).write_text(json.dumps({"dataset": name, **record}, indent=2) + "\n", encoding="utf-8")
    _publish(source, files, folder, {part.name, *(path.name for path in found)})
    shutil.rmtree(part)
    return values


def _source(name: str) -> Source:
    if name in SOURCES:
        return SOURCES[name]
    close = get_close_matches(name, SOURCES, 1)
    hint = f" Did you mean {close[0]}?" if close else ""
    raise UsageError(f"There is no dataset {name} to download; there are {', '.join(SOURCES)}.{hint}")


def _folder(source: Source, output: str | Path | None) -> Path:
    if output is not None:
        return Path(output)
    named = os.environ.get(_CITYSCAPES_FOLDER) if source.kind == "cityscapes" else None
    return Path(named or source.name)


def _is_there(source: Source, folder: Path) -> bool:
    return all((folder / mark).exists() for mark in source.marks) and _recorded(folder) in (None, source.name)


def _recorded(folder: Path) -> str | None:
    """The dataset that an earlier run put into a folder."""
    record = folder / _RECORD
    return json.loads(record.read_text(encoding="utf-8"))["dataset"] if record.is_file() else None


def _archives_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_file() and path.suffix.lower() in _ARCHIVES)


def _check_folder(folder: Path, archives: Sequence[Path], overwrite: bool) -> None:
    if folder.is_file():
        raise UsageError(f"{folder} is a file; name a folder for the dataset with --output.")
    if not folder.is_dir():
        return
    others = {path.name for path in folder.iterdir()} - {_PART, *(path.name for path in archives)}
    if not others:
        return
    if _RECORD not in others:
        raise UsageError(
            f"{folder} holds {sorted(others)[0]}, which no download put there, so nothing is unpacked over it. "
            "Choose another --output."
        )
    if not overwrite:
        raise UsageError(
            f"{folder} holds {_recorded(folder)} already. Add --overwrite to replace it, or choose another --output."
        )


def _downloaded(source: Source, folder: Path, part: Path) -> tuple[Path, dict[str, Any]]:
    there = sum(path.stat().st_size for path in part.rglob("*") if path.is_file())
    check_space(folder, (source.archive_gb + source.unpacked_gb) * 1e9 - there, f"Downloading {source.name}")
    logger.info("%s from %s, about %.3g GB; terms: %s.", source.name, source.page, source.archive_gb, source.terms)
    try:
        if source.kind == "kaggle":
            files, version = download_kaggle(source.address, part)
            return files, {"source": source.address, "version": version}
        if source.kind == "cityscapes":
            archives = download_cityscapes(source.address.split(), part)
        else:
            archives = [_fetched(source, part)]
    except (AccessError, MissingExtraError) as error:
        raise type(error)(f"{error} {source.by_hand(folder)}") from None
    try:
        files, record = _unpacked(source, part, archives)
    except DataError:
        # Ours, and useless: the next run is to download again.
        for archive in archives:
            archive.unlink()
        raise
    return files, {**record, "source": source.address}


def _fetched(source: Source, part: Path) -> Path:
    path = part / f"{source.name}.zip"
    if not path.exists():
        fetch_file(source.address, path, about_bytes=source.archive_gb * 1e9)
    return path


def _unpacked(source: Source, part: Path, archives: Sequence[Path]) -> tuple[Path, dict[str, Any]]:
    files = part / "files"
    shutil.rmtree(files, ignore_errors=True)
    files.mkdir(parents=True)
    for archive in archives:
        unpack_archive(archive, files, source.marks)
    absent = [mark for mark in source.marks if not (files / mark).exists()]
    if absent:
        raise DataError(
            f"No {absent[0]} in {', '.join(path.name for path in archives)}; {source.name} comes as {source.address}. "
            "Name each archive with --archive, or put all into one folder."
        )
    sums = {path.name: sha256_of(path) for path in archives}
    return files, {"source": "archives", "sha256": sums}


def _checked(source: Source, folder: Path, files: Path) -> dict[str, Any]:
    try:
        return _result(source, folder, files, downloaded=True)
    except DataError as error:
        raise DataError(f"{source.name} was unpacked to {files} but cannot be read: {error}") from error


def _publish(source: Source, files: Path, folder: Path, kept: Set[str]) -> None:
    if not folder.exists():
        files.replace(folder)
        return
    for entry in [path for path in folder.iterdir() if path.name not in kept]:
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    # What the dataset is known by comes last, so that it is not taken for whole before it is.
    for entry in sorted(files.iterdir(), key=lambda path: path.name in (*source.marks, _RECORD)):
        entry.replace(folder / entry.name)


def _result(source: Source, folder: Path, files: Path, *, downloaded: bool) -> dict[str, Any]:
    layout = layout_from_path(files)
    dataset = dataset_from_layout(layout)
    labelled = {name: sum(sample.mask is not None for sample in split) for name, split in dataset.splits.items()}
    where = shlex.quote(str(folder))
    return {
        "dataset": source.name,
        "folder": str(folder),
        "downloaded": downloaded,
        "layout": layout.kind,
        "images": {name: len(split) for name, split in dataset.splits.items()},
        "labelled": labelled,
        "classes": list(dataset.legend.names),
        "source": source.page,
        "terms": source.terms,
        "notes": list(dataset.notes),
        "next": [f"overland data check {where}", f"overland train {source.recipe} --data {where}"],
    }
