"""Download a public dataset to a folder that every other verb reads."""

from __future__ import annotations

import json
import logging
import os
import shlex
import shutil
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from overland.datasets.download import (
    PUBLIC_DATASETS,
    PublicDataset,
    check_space,
    download_cityscapes,
    download_kaggle,
    fetch_file,
    unpack_archive,
)
from overland.datasets.layouts import Layout, read_dataset, read_layout
from overland.errors import AccessError, DataError, MissingExtraError, UsageError
from overland.output import check_writable, sha256_of, writing_errors
from overland.result import Result
from overland.text import closest_name

__all__ = ["DownloadResult", "download"]

logger = logging.getLogger(__name__)

_RECORD = "download.json"
_PART = ".part"
_ARCHIVES = (".zip", ".tar", ".tgz", ".gz")
_CITYSCAPES_FOLDER = "CITYSCAPES_DATASET"


@dataclass(frozen=True)
class DownloadResult(Result):
    """The dataset that was downloaded.

    Attributes:
        dataset: Its name.
        folder: The folder that it lies in.
        downloaded: False where it was there already.
        layout: Name of its layout.
        images: Number of images of each split.
        labelled: Number of images with a mask of each split.
        classes: Names of the classes.
        source: The page that it comes from.
        terms: The terms of its use.
        notes: Lines on what was decided by rule.
        next: Commands to go on with.
    """

    dataset: str
    folder: str
    downloaded: bool
    layout: str
    images: dict[str, int]
    labelled: dict[str, int]
    classes: tuple[str, ...]
    source: str
    terms: str
    notes: tuple[str, ...]
    next: tuple[str, ...]


def download(
    name: str,
    *,
    output: str | Path | None = None,
    archives: Sequence[str | Path] = (),
    overwrite: bool = False,
) -> DownloadResult:
    """Download a public dataset, unpack it and read it once.

    NAME is deepglobe-road, deepglobe-landcover or massachusetts-roads (from Kaggle), cityscapes (through csDownload,
    account needed) or camvid (SegNet's, from GitHub). A download that was cut goes on where it was when it is run
    again. A dataset that is there already is only read. Archives that lie in the folder are used.

    Args:
        name: Name of the dataset.
        output: Folder for the dataset; its name if left out (for cityscapes what CITYSCAPES_DATASET names).
        archives: A file that was downloaded by hand, used in place of the network; may be given several times.
        overwrite: Replace an earlier download in the folder.

    Returns:
        The folder, what is in it, where it comes from, and the commands to go on with.

    Raises:
        AccessError: Credentials are missing, or the network fails.
        ResourceError: The disk has no room.
        DataError: An archive is damaged, unsafe or of another dataset.
        UsageError: There is no such dataset, or the folder holds something else or cannot be written.
    """
    if name not in PUBLIC_DATASETS:
        hint = closest_name(name, PUBLIC_DATASETS)
        raise UsageError(f"There is no dataset {name} to download{hint or '.'} There are {', '.join(PUBLIC_DATASETS)}.")
    public = PUBLIC_DATASETS[name]
    named = os.environ.get(_CITYSCAPES_FOLDER) if public.kind == "cityscapes" else None
    folder = Path(output if output is not None else named or public.name)
    is_there = all((folder / mark).exists() for mark in public.marks) and _recorded(folder) in (None, name)
    if is_there and not (archives or overwrite):
        return _result(public, folder, folder, downloaded=False)
    found = [Path(path) for path in archives]
    if not found and folder.is_dir():
        found = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix.lower() in _ARCHIVES)
    _check_folder(folder, found, overwrite)
    check_writable(folder / _RECORD if folder.is_dir() else folder)
    # In a folder that is there, for it may be a disk of its own, and files can only be renamed on one disk.
    part = folder / _PART if folder.is_dir() else folder.with_name(folder.name + _PART)
    with writing_errors(folder):
        try:
            files, record = _unpacked(public, part, found) if found else _downloaded(public, folder, part)
            try:
                result = _result(public, folder, files, downloaded=True)
            except DataError as error:
                raise DataError(f"{name} was unpacked to {files} but cannot be read: {error}") from error
        except BaseException:
            if found:
                # Nothing was downloaded that a later run could go on with.
                shutil.rmtree(part, ignore_errors=True)
            raise
        (files / _RECORD).write_text(json.dumps({"dataset": name, **record}, indent=2) + "\n", encoding="utf-8")
        _publish(public, files, folder, {part.name, *(path.name for path in found)})
        shutil.rmtree(part)
    return result


def _recorded(folder: Path) -> str | None:
    """Return the dataset that an earlier run put into a folder."""
    record = folder / _RECORD
    return json.loads(record.read_text(encoding="utf-8"))["dataset"] if record.is_file() else None


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


def _downloaded(public: PublicDataset, folder: Path, part: Path) -> tuple[Path, dict[str, Any]]:
    there = sum(path.stat().st_size for path in part.rglob("*") if path.is_file())
    check_space(folder, (public.archive_gb + public.unpacked_gb) * 1e9 - there, f"Downloading {public.name}")
    logger.info("%s from %s, about %.3g GB; terms: %s.", public.name, public.page, public.archive_gb, public.terms)
    try:
        if public.kind == "kaggle":
            files, version = download_kaggle(public.address, part)
            return files, {"source": public.address, "version": version}
        if public.kind == "cityscapes":
            archives = download_cityscapes(public.address.split(), part)
        else:
            archives = [part / f"{public.name}.zip"]
            if not archives[0].exists():
                fetch_file(public.address, archives[0], about_bytes=public.archive_gb * 1e9)
    except (AccessError, MissingExtraError) as error:
        raise type(error)(f"{error} {public.by_hand(folder)}") from None
    try:
        files, record = _unpacked(public, part, archives)
    except DataError:
        # Ours, and useless: the next run is to download again.
        for archive in archives:
            archive.unlink()
        raise
    return files, {**record, "source": public.address}


def _unpacked(public: PublicDataset, part: Path, archives: Sequence[Path]) -> tuple[Path, dict[str, Any]]:
    files = part / "files"
    shutil.rmtree(files, ignore_errors=True)
    files.mkdir(parents=True)
    for archive in archives:
        unpack_archive(archive, files, public.marks)
    absent = [mark for mark in public.marks if not (files / mark).exists()]
    if absent:
        raise DataError(
            f"No {absent[0]} in {', '.join(path.name for path in archives)}; {public.name} comes as {public.address}. "
            "Name each archive with --archive, or put all into one folder."
        )
    sums = {path.name: sha256_of(path) for path in archives}
    return files, {"source": "archives", "sha256": sums}


def _publish(public: PublicDataset, files: Path, folder: Path, kept: Set[str]) -> None:
    if not folder.exists():
        files.replace(folder)
        return
    for entry in [path for path in folder.iterdir() if path.name not in kept]:
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    # What the dataset is known by comes last, so that it is not taken for whole before it is.
    for entry in sorted(files.iterdir(), key=lambda path: path.name in (*public.marks, _RECORD)):
        entry.replace(folder / entry.name)


def _result(public: PublicDataset, folder: Path, files: Path, *, downloaded: bool) -> DownloadResult:
    layout = read_layout(files)
    dataset = read_dataset(layout)
    where = shlex.quote(str(folder))
    return DownloadResult(
        dataset=public.name,
        folder=str(folder),
        downloaded=downloaded,
        layout=layout.kind if isinstance(layout, Layout) else layout.name,
        images={name: len(split) for name, split in dataset.splits.items()},
        labelled={name: sum(s.mask is not None for s in split) for name, split in dataset.splits.items()},
        classes=dataset.legend.names,
        source=public.page,
        terms=public.terms,
        notes=dataset.notes,
        next=(f"overland data check {where}", f"overland train {public.recipe} --data {where}"),
    )
