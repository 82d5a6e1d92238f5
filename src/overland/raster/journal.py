"""The journal of work in progress: a folder next to the output that says whose work it is and how far it has come.

    <output>.part/
      journal.jsonl   the run's identity, then a line for each piece of work that is finished; each line is on the disk
                      before the next piece begins
      lock            held by the process that works here
      ...             the pieces

A process may die at any point: a piece that has a line is finished, one that has none is done again.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from overland.errors import DataError, UsageError
from overland.output import fsync_file, held_lock, replace_atomically, writing_errors

__all__ = ["Entry", "Journal", "journal_folder", "open_journal", "recorded_run"]

logger = logging.getLogger(__name__)

Entry = Mapping[str, Any]
"""A line of the journal: plain values by name."""

_FORMAT = 1
_JOURNAL, _LOCK = "journal.jsonl", "lock"
_SHOWN_CHARACTERS = 60


class Journal:
    """The finished pieces of a run that is open; made by `open_journal`.

    Args:
        folder: The folder in which the run works.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries: list[Entry] = _read_lines(folder)[1:]

    def record(self, entry: Entry) -> None:
        """Add a line and wait until it is on the disk.

        Args:
            entry: The line: plain values by name.
        """
        with (self.folder / _JOURNAL).open("ab") as file:
            file.write(_line(entry))
            file.flush()
            os.fsync(file.fileno())
        self.entries.append(entry)

    def holds(self, key: str) -> bool:
        """Tell whether any entry has a key.

        Args:
            key: Name of a value.

        Returns:
            True when an entry has it.
        """
        return any(key in entry for entry in self.entries)

    def clear(self) -> None:
        """Remove the pieces; the journal stays."""
        for path in self.folder.iterdir():
            if path.name not in (_JOURNAL, _LOCK) and path.is_file():
                path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the folder: the work is done, or not wanted."""
        _remove_folder(self.folder)


def journal_folder(output: Path) -> Path:
    """Name the folder in which work on an output is kept until it is done.

    Args:
        output: The output.

    Returns:
        The folder, next to the output.
    """
    return output.with_name(output.name + ".part")


def recorded_run(output: Path) -> tuple[Mapping[str, Any], list[Entry]] | None:
    """Look up the run that is in progress on an output.

    Args:
        output: The output.

    Returns:
        Its identity and its finished pieces; None when there is none.
    """
    lines = _read_lines(journal_folder(output))
    return (_run_of(lines[0]), lines[1:]) if lines else None


@contextmanager
def open_journal(output: Path, run: Mapping[str, Any], *, overwrite: bool = False) -> Iterator[Journal]:
    """Begin work on an output, or continue it where the same run was stopped.

    Where nothing has been finished nothing is left.

    Args:
        output: The output.
        run: All that the result depends on: plain values under names that a person understands.
        overwrite: Throw another run's work away.

    Yields:
        The journal.

    Raises:
        UsageError: When another process works on the output, when the work there is of another run, when a file or a
            folder of somebody else has its name, and when the folder cannot be made.
        ResourceError: When the disk is full.
    """
    folder = journal_folder(output)
    with writing_errors(folder):
        if folder.is_file():
            raise UsageError(f"{folder} is a file; {output} needs that name while it is made. Move the file away.")
        folder.mkdir(parents=True, exist_ok=True)
        names = [path.name for path in folder.iterdir()]
        if _JOURNAL not in names and not all(name.startswith((_LOCK, _JOURNAL)) for name in names):
            raise UsageError(
                f"{folder} holds files of somebody else; {output} needs that name while it is made. Move the folder "
                "away."
            )
    with held_lock(folder / _LOCK) as is_held:
        if not is_held:
            raise UsageError(f"Another process is writing {output} now. Wait for it, or choose another output.")
        try:
            _settle_run(folder, output, json.loads(json.dumps(run)), overwrite)
            yield Journal(folder)
        finally:
            if folder.exists() and len(_read_lines(folder)) < 2:
                _remove_folder(folder)
    if sys.platform == "win32" and not (folder / _JOURNAL).exists():
        _remove_folder(folder)


def _settle_run(folder: Path, output: Path, run: Mapping[str, Any], overwrite: bool) -> None:
    lines = _read_lines(folder)
    if lines and _run_of(lines[0]) == run:
        return
    if lines and not overwrite:
        before = _run_of(lines[0])
        changed = [key for key in (*run, *(before.keys() - run.keys())) if before.get(key) != run.get(key)]
        changes = "; ".join(f"{key} was {_shown(before.get(key))}, now {_shown(run.get(key))}" for key in changed)
        raise UsageError(
            f"{output} was begun by a run that differs ({changes}). Give the same command to continue it, "
            f"or throw away what is in {folder} and start anew with --overwrite."
        )
    if lines:
        logger.info("The unfinished work in %s is of another run; starting anew.", folder)
    Journal(folder).clear()
    new = folder / f"{_JOURNAL}.new"
    new.write_bytes(_line({"format": _FORMAT, "run": run}))
    fsync_file(new)
    replace_atomically(new, folder / _JOURNAL)


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else "none" if value is None else json.dumps(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


def _run_of(header: Entry) -> Mapping[str, Any]:
    run = header.get("run")
    return run if header.get("format") == _FORMAT and isinstance(run, dict) else {"journal": "of another version"}


def _line(entry: Entry) -> bytes:
    # It begins with a line's end too: a line that was cut short spoils itself alone.
    return b"\n" + json.dumps(entry).encode() + b"\n"


def _read_lines(folder: Path) -> list[Entry]:
    try:
        raw = (folder / _JOURNAL).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise DataError(f"{folder / _JOURNAL} cannot be read ({error.strerror}).") from error
    lines: list[Entry | None] = []
    for line in filter(None, raw.split(b"\n")):
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        lines.append(entry if isinstance(entry, dict) else None)
    # Without its first line a journal is nobody's.
    return [line for line in lines if line is not None] if lines and lines[0] is not None else []


def _remove_folder(folder: Path) -> None:
    # Windows keeps the lock, which is open, and with it the folder; `open_journal` removes both later.
    shutil.rmtree(folder, ignore_errors=sys.platform == "win32")
