"""A folder of chips that any tool reads: images/, masks/, data.yaml, and manifest.csv on each chip kept or dropped."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import IO

from overland.datasets.chip_cuts import Chip, SceneFacts
from overland.datasets.dataset import Dataset, Sample
from overland.legend import IGNORE_INDEX
from overland.raster import Grid, create_raster

__all__ = ["ChipStore"]

_COLUMNS = (
    *("split", "chip", "fate", "scene", "group", "image", "row_off", "col_off", "height", "width"),
    *("labelled_share", "foreground_share", "empty_share"),
)
_PNG_TYPES = ("uint8", "uint16")


class ChipStore:
    """Takes the chips of a dataset, one after the other, into a folder that is there already.

    A chip is a PNG where that holds all there is, else a GeoTIFF with its place on the ground; its mask has the same
    name and form. `manifest` is an open text file; each chip becomes a line of it, with its place in the image and why
    it was dropped if it was.
    """

    def __init__(self, folder: Path, dataset: Dataset, manifest: IO[str]) -> None:
        self._folder = folder
        self._dataset = dataset
        self._table = csv.writer(manifest, lineterminator="\n")
        self._table.writerow(_COLUMNS)

    def add(self, split: str, sample: Sample, facts: SceneFacts, chip: Chip) -> None:
        """Write a chip that is kept, and the line of any. Raises `UsageError` for a chip of the same name."""
        scene = sample.key.partition("/")[2] or sample.key
        name = f"{scene}_{chip.window.row_off}_{chip.window.col_off}{_suffix(facts, chip)}" if _is_kept(chip) else ""
        if name:
            grid = facts.grid.cropped(chip.window)
            self._write_image(self._folder / "images" / split / name, chip, facts, grid)
            nodata = IGNORE_INDEX if name.endswith(".tif") else None
            with create_raster(self._folder / "masks" / split / name, grid, nodata=nodata) as writer:
                writer.write(chip.target, grid.window)
        self._write_row(split, name, scene, sample, chip)

    def _write_image(self, path: Path, chip: Chip, facts: SceneFacts, grid: Grid) -> None:
        count, dtype = len(chip.image), str(chip.image.dtype)
        with create_raster(
            path, grid, count=count, dtype=dtype, nodata=facts.nodata, descriptions=facts.descriptions
        ) as writer:
            writer.write(chip.image, grid.window)

    def _write_row(self, split: str, name: str, scene: str, sample: Sample, chip: Chip) -> None:
        root, inside = self._dataset.root, chip.inside
        image = sample.image.relative_to(root) if sample.image.is_relative_to(root) else Path(sample.image.name)
        foreground = None if chip.foreground_share is None else round(chip.foreground_share, 6)
        where = (inside.row_off, inside.col_off, inside.height, inside.width)
        shares = (round(chip.labelled_share, 6), foreground, round(chip.empty_share, 6))
        self._table.writerow((split, name, chip.fate, scene, sample.group, image.as_posix(), *where, *shares))


def _is_kept(chip: Chip) -> bool:
    return chip.fate == "kept"


def _suffix(facts: SceneFacts, chip: Chip) -> str:
    is_plain = not facts.grid.is_georeferenced and facts.nodata is None and not facts.descriptions
    return ".png" if is_plain and len(chip.image) in (1, 3) and str(chip.image.dtype) in _PNG_TYPES else ".tif"
