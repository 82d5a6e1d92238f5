"""A folder of prepared data: it appears whole or not at all, and says itself how it was made."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from overland.errors import UsageError
from overland.workflows.output_folder import write_folder

__all__ = ["MARKER", "check_prepared_folder", "write_prepared_folder"]

MARKER = "prepared.json"


def check_prepared_folder(output: str | Path, *sources: str | Path, overwrite: bool = False) -> Path:
    """Make sure that a folder of prepared data may be written.

    Raises `UsageError` when it is one of the sources, in one or around one, when it holds something already and
    `overwrite` is not given, and when what it holds was not prepared by Overland: the folder is replaced whole.
    """
    output = Path(output)
    target = output.resolve()
    for source in map(Path, sources):
        folder = source.resolve() if source.is_dir() else source.resolve().parent
        if target == folder or target in folder.parents or (source.is_dir() and folder in target.parents):
            raise UsageError(f"{output} is {source}, in it or around it; choose another output.")
    if output.is_file():
        raise UsageError(f"{output} is a file; name a folder.")
    if not output.is_dir() or not any(output.iterdir()):
        return output
    if not overwrite:
        raise UsageError(f"{output} exists already. Add --overwrite to replace it, or choose another name.")
    if not (output / MARKER).is_file():
        raise UsageError(f"{output} holds something that was not prepared by Overland, so it is not replaced.")
    return output


@contextmanager
def write_prepared_folder(output: Path, command: str, settings: Mapping[str, Any]) -> Iterator[Path]:
    """Give an empty folder to write to; at the end it takes the place of `output`, after an error it goes."""
    with write_folder(output) as part:
        yield part
        text = json.dumps({"command": f"overland data {command}", **settings}, indent=2, ensure_ascii=False)
        (part / MARKER).write_text(text + "\n", encoding="utf-8")
