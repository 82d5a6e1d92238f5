"""Rasters of one size that are made row block by row block, each on the disk, and put together at the end.

A finished block is a small file of its own in the journal's folder, with its checksum in the journal. Nothing here
grows with the number of rows but the number of files.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.errors import RasterioError

from overland.errors import ResourceError
from overland.geo.grid import Grid, Window
from overland.output import fresh_path, fsync_file, replace_atomically
from overland.raster.journal import Entry, Journal, recorded_run
from overland.raster.open import open_or_create, rasterio_window
from overland.raster.read import Pixels
from overland.raster.write import (
    BLOCK,
    RasterProfile,
    copy_to_output,
    create_dataset,
    disk_errors,
    put_in_place,
    remove_leftovers,
    tiling,
)

__all__ = ["RowBlocks", "RowBlocksOutput", "are_own_outputs", "iter_row_blocks"]

logger = logging.getLogger(__name__)

# Checked in pieces of this size, so that a wide raster of many bands needs no more memory than a narrow one.
_PIECE_BYTES = 32 << 20


@dataclass(frozen=True)
class RowBlocksOutput:
    """One of the rasters that are made together."""

    path: Path
    """The file that it becomes in the end."""
    profile: RasterProfile
    """Its grid and bands."""


class RowBlocks:
    """The rasters of a journal. Blocks of an earlier run are checked at once; damaged ones count as not made.

    Args:
        journal: The open journal.
        outputs: The rasters by name; all have the same number of rows and columns.
    """

    def __init__(self, journal: Journal, outputs: Mapping[str, RowBlocksOutput]) -> None:
        self._journal = journal
        self._outputs = outputs
        grid = next(iter(outputs.values())).profile.grid
        self._height, self._width = grid.height, grid.width
        self._finished: dict[int, Entry] = {}
        if not self.is_done:
            self._finished = {row: entry for row, entry in self._recorded().items() if self._is_sound(row, entry)}

    @property
    def is_done(self) -> bool:
        """True when the outputs are in place, and are still the files that were put there."""
        return bool(_last_done(self._journal.entries) == self._stamps())

    @property
    def notes(self) -> list[Mapping[str, Any]]:
        """Notes that `write` was given with each block that is finished, from the top."""
        entries = self._recorded() if self.is_done else self._finished
        return [entries[row]["notes"] for row in sorted(entries)]

    def missing(self) -> list[tuple[int, int]]:
        """List the rows that are not made yet.

        Returns:
            First row and end of each run of them.
        """
        if self.is_done:
            return []
        runs: list[tuple[int, int]] = []
        for block in iter_row_blocks(self._height):
            if block[0] in self._finished:
                continue
            if runs and runs[-1][1] == block[0]:
                runs[-1] = runs[-1][0], block[1]
            else:
                runs.append(block)
        return runs

    def write(self, row: int, pixels: Mapping[str, Pixels], notes: Mapping[str, Any]) -> None:
        """Write a block and wait until it is on the disk.

        Args:
            row: Its first row, as `iter_row_blocks` gives it.
            pixels: Pixels (bands, rows, width) of each raster, by name.
            notes: Plain values that are kept with it.

        Raises:
            ResourceError: When the disk is full; the blocks before stay.
        """
        checksums = {}
        with self._disk_errors():
            for name, array in pixels.items():
                checksums[name] = self._write_file(name, row, array)
            entry = {"row": row, "rows": next(iter(pixels.values())).shape[-2], "crc32": checksums, "notes": notes}
            self._journal.record(entry)
        self._finished[row] = entry

    def assemble(self) -> None:
        """Put the blocks together, read the results back, and put them in place, all or none.

        Raises:
            ResourceError: When the disk is full, or does not give back what was written.
        """
        # Beside the outputs and not in the journal's folder, since these may lie on several disks.
        finals = {name: fresh_path(output.path, ".final.part") for name, output in self._outputs.items()}
        with self._disk_errors():
            try:
                # A process that dies here leaves them behind, and the next one has to know their names.
                left = [Path(path) for entry in self._journal.entries for path in entry.get("finals", ())]
                remove_leftovers(*(path for path in left if path.name.endswith(".final.part")))
                self._journal.record({"finals": [str(path.absolute()) for path in finals.values()]})
                for name, final in finals.items():
                    final.parent.mkdir(parents=True, exist_ok=True)
                    self._assemble(name, final)
                # From here on an output that exists may be ours.
                self._journal.record({"placing": True})
                for name, output in self._outputs.items():
                    put_in_place(finals[name], output.path, output.profile.legend)
            finally:
                remove_leftovers(*finals.values())
            self._journal.record({"done": self._stamps()})
            self._journal.clear()

    def _disk_errors(self) -> Any:
        path = next(iter(self._outputs.values())).path
        return disk_errors(path, "Free some space and give the same command: it continues where this run ended.")

    def _recorded(self) -> dict[int, Entry]:
        return {entry["row"]: entry for entry in self._journal.entries if "row" in entry}

    def _is_sound(self, row: int, entry: Entry) -> bool:
        for name in self._outputs:
            try:
                with open_or_create(self._block_path(name, row)) as dataset:
                    is_sound = _file_checksum(dataset, 0, entry["rows"]) == entry["crc32"].get(name)
            except RasterioError:
                is_sound = False
            if not is_sound:
                logger.warning("Rows %d to %d were damaged on the disk; they are made again.", row, row + entry["rows"])
                return False
        return True

    def _write_file(self, name: str, row: int, pixels: Pixels) -> int:
        profile = self._outputs[name].profile
        path = self._block_path(name, row)
        new = path.with_suffix(".new")
        pixels = np.ascontiguousarray(pixels, dtype=profile.dtype)
        count, rows, width = pixels.shape
        # Probabilities hardly shrink, and the work would take time from the model; ids shrink fifty times for little.
        compression: dict[str, Any] = {} if profile.is_measured else {"compress": "deflate", "zlevel": 1}
        checksum = _checksum(lambda where: pixels[:, :, where.slices[1]], count, rows, width, pixels.dtype)
        # Where it lies is known to the whole; on its own a block lies nowhere.
        block = RasterProfile(Grid(height=rows, width=width), count, profile.dtype)
        with create_dataset(new, block, **compression, **tiling(self._height, self._width)) as dataset:
            dataset.write(pixels)
        with open_or_create(new) as dataset:
            if _file_checksum(dataset, 0, rows) != checksum:
                # A disk that fills up as a file is closed is no error to GDAL.
                raise ResourceError(f"{new}: what was written does not read back. Is the disk full or failing?")
        fsync_file(new)
        replace_atomically(new, path)
        return checksum

    def _assemble(self, name: str, final: Path) -> None:
        output = self._outputs[name]
        mosaic = self._journal.folder / f"{name}.vrt"
        # Read in the blocks of its parts; in its own of 128 x 128 the copy takes three times as long.
        with create_dataset(mosaic, output.profile, driver="VRT", blockxsize=BLOCK, blockysize=BLOCK) as dataset:
            for band in range(1, output.profile.count + 1):
                sources = {}
                for row, entry in sorted(self._finished.items()):
                    file, size = self._block_path(name, row).name, f'xSize="{self._width}" ySize="{entry["rows"]}"'
                    sources[f"source_{row}"] = (
                        f'<SimpleSource><SourceFilename relativeToVRT="1">{file}</SourceFilename>'
                        f'<SourceBand>{band}</SourceBand><SrcRect xOff="0" yOff="0" {size}/>'
                        f'<DstRect xOff="0" yOff="{row}" {size}/></SimpleSource>'
                    )
                dataset.update_tags(band, ns="new_vrt_sources", **sources)
        copy_to_output(mosaic, final, output.path, output.profile)
        with open_or_create(final) as dataset:
            for row, entry in self._finished.items():
                if _file_checksum(dataset, row, entry["rows"]) != entry["crc32"][name]:
                    raise ResourceError(
                        f"{output.path}: what was written does not read back. Is the disk full or failing?"
                    )

    def _block_path(self, name: str, row: int) -> Path:
        return self._journal.folder / f"{name}-{row:09d}.tif"

    def _stamps(self) -> dict[str, list[int] | None]:
        return _stamps({name: output.path for name, output in self._outputs.items()})


def are_own_outputs(paths: Mapping[str, Path]) -> bool:
    """Tell whether outputs that exist were put there by the run whose journal lies next to the first, and kept since.

    So it is where a run died as it put its files in place, or has more scenes to do.

    Args:
        paths: The outputs by name.

    Returns:
        True when they are the run's own.
    """
    recorded = recorded_run(next(iter(paths.values())))
    if recorded is None or not any("placing" in entry for entry in recorded[1]):
        return False
    done = _last_done(recorded[1])
    return done is None or done == _stamps(paths)


def iter_row_blocks(end: int, first: int = 0) -> Iterator[tuple[int, int]]:
    """Cut rows into blocks.

    Args:
        end: The row after the last.
        first: The first row.

    Yields:
        First row and end of each block, broken at multiples of 512.
    """
    while first < end:
        stop = min(end, (first // BLOCK + 1) * BLOCK)
        yield first, stop
        first = stop


def _file_checksum(dataset: Any, row: int, rows: int) -> int:
    def read(where: Window) -> Pixels:
        return np.asarray(dataset.read(window=rasterio_window(replace(where, row_off=row, height=rows))))

    return _checksum(read, dataset.count, rows, dataset.width, np.dtype(dataset.dtypes[0]))


def _checksum(read: Callable[[Window], Pixels], count: int, rows: int, width: int, dtype: np.dtype[Any]) -> int:
    columns = max(1, _PIECE_BYTES // (count * BLOCK * dtype.itemsize * BLOCK)) * BLOCK
    checksum = 0
    for col in range(0, width, columns):
        piece = read(Window(col_off=col, row_off=0, width=min(columns, width - col), height=rows))
        checksum = zlib.crc32(np.ascontiguousarray(piece).data, checksum)
    return checksum


def _last_done(entries: Sequence[Entry]) -> Any:
    return next((entry["done"] for entry in reversed(entries) if "done" in entry), None)


def _stamps(paths: Mapping[str, Path]) -> dict[str, list[int] | None]:
    """Give size and time of each file, None for one that is not there."""
    stamps: dict[str, list[int] | None] = {}
    for name, path in paths.items():
        try:
            status = path.stat()
            stamps[name] = [status.st_size, status.st_mtime_ns]
        except FileNotFoundError:
            stamps[name] = None
    return stamps
