"""A folder of prepared data: it appears whole or not at all, and says itself how it was made."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from overland.datasets.dataset import Dataset
from overland.datasets.layouts import DataSource, Layout
from overland.errors import UsageError
from overland.output import check_writable, write_folder

__all__ = ["MARKER", "check_prepared_folder", "write_prepared_folder"]

MARKER = "prepared.json"


def check_prepared_folder(output: str | Path, *inputs: DataSource, overwrite: bool = False) -> Path:
    """Make sure that a folder of prepared data may be written, before any work is done for it.

    Args:
        output: The folder; it is replaced whole.
        inputs: The files and folders, or datasets, that it is made from.
        overwrite: Replace what was prepared by Overland before.

    Returns:
        The path of the output.

    Raises:
        UsageError: It is an input, in one or around one; it holds something already and `overwrite` is not given; what
            it holds was not prepared by Overland; or it cannot be written.
    """
    output = Path(output)
    place = output.resolve()
    for item in inputs:
        source = item.root if isinstance(item, Layout | Dataset) else Path(item)
        folder = source.resolve() if source.is_dir() else source.resolve().parent
        if place == folder or place in folder.parents or (source.is_dir() and folder in place.parents):
            raise UsageError(f"{output} is {source}, in it or around it; choose another output.")
    if output.is_file():
        raise UsageError(f"{output} is a file; name a folder.")
    if output.is_dir() and any(output.iterdir()):
        if not overwrite:
            raise UsageError(f"{output} exists already. Add --overwrite to replace it, or choose another name.")
        if not (output / MARKER).is_file():
            raise UsageError(f"{output} holds something that was not prepared by Overland, so it is not replaced.")
    check_writable(place)
    return output


@contextmanager
def write_prepared_folder(output: Path, command: str, settings: Mapping[str, Any]) -> Iterator[Path]:
    """Give an empty folder to write to; at the end it takes the place of the output, after an error it goes.

    Args:
        output: The folder of prepared data.
        command: Name of the command below `overland data`, for the record.
        settings: Its settings, for the record.

    Yields:
        The folder to write to.

    Raises:
        OverlandError: It cannot be written.
    """
    with write_folder(output) as part:
        yield part
        text = json.dumps({"command": f"overland data {command}", **settings}, indent=2, ensure_ascii=False)
        (part / MARKER).write_text(text + "\n", encoding="utf-8")
