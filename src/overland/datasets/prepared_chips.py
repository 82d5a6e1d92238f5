"""Prepared chips: where the chips of an image lie, which are worth keeping, and the folder that they are written to.

Chips lie side by side or overlap. The folder is one that any tool reads: images/, masks/, data.yaml, and manifest.csv
with a line on each chip, kept or dropped.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Literal

import numpy as np
import numpy.typing as npt

from overland.datasets.dataset import Dataset, Sample, read_sample
from overland.datasets.masks import Labels, Pixels, Valid, empty_fraction, is_constant
from overland.errors import UsageError
from overland.legend import IGNORE_INDEX
from overland.output import csv_cell
from overland.raster import Grid, Window, create_raster, open_scene

__all__ = [
    "PADS",
    "Chip",
    "ChipRules",
    "ChipStatus",
    "ChipStore",
    "Pad",
    "SceneFacts",
    "iter_chips",
    "plan_chips",
    "scene_facts",
]


Pad = Literal["zero", "reflect", "none"]
PADS: tuple[Pad, ...] = ("zero", "reflect", "none")
_LARGEST = 16_384


@dataclass(frozen=True)
class ChipRules:
    """Rules by which chips are cut and kept.

    Attributes:
        chip_size: Side of a chip in pixels.
        overlap: Pixels that neighbours share.
        pad: What fills a chip beyond the image's edge: zeros, the image mirrored, or nothing: the last chip of a row is
            then moved back inside.
        min_foreground: Least fraction of the labelled pixels of a training chip that belong to a class other than the
            background; None keeps all.
        drop_blank: Leave out chips of which half or more is nodata, black or white, or that hold one value.

    Raises:
        UsageError: A size or a fraction makes no sense.
    """

    chip_size: int
    overlap: int = 0
    pad: Pad = "zero"
    min_foreground: float | None = None
    drop_blank: bool = False

    def __post_init__(self) -> None:
        if self.chip_size < 1:
            raise UsageError(f"chip_size is {self.chip_size}; a chip has at least 1 pixel a side, usually 256 or 512.")
        if not 0 <= self.overlap < self.chip_size:
            raise UsageError(
                f"overlap is {self.overlap} and chip_size {self.chip_size}; the overlap is 0 or more and smaller."
            )
        if self.pad not in PADS:
            raise UsageError(f"pad is {self.pad!r}; choose one of {', '.join(PADS)}.")
        if self.chip_size > _LARGEST:
            raise UsageError(f"chip_size is {self.chip_size}; {_LARGEST} is the largest.")
        if self.min_foreground is not None and not 0 <= self.min_foreground <= 1:
            raise UsageError(f"min_foreground is {self.min_foreground}; a fraction lies between 0 and 1, such as 0.01.")


def plan_chips(height: int, width: int, rules: ChipRules) -> list[list[Window]]:
    """Plan the windows of an image's chips.

    Args:
        height: Height of the image in pixels.
        width: Width of the image in pixels.
        rules: How chips are cut.

    Returns:
        Windows row by row. They may reach beyond the lower and right edge; with pad "none" none does, and an image
        smaller than a chip is one chip of its own size.
    """
    spans: list[list[tuple[int, int]]] = []
    for length in (height, width):
        size, stride = rules.chip_size, rules.chip_size - rules.overlap
        count = max(1, -(-(length - rules.overlap) // stride))
        starts = [index * stride for index in range(count)]
        if rules.pad == "none":
            last = max(0, length - size)
            starts, size = sorted({min(start, last) for start in starts}), min(size, length)
        spans.append([(start, size) for start in starts])
    rows, cols = spans
    return [[Window(col_off=left, row_off=top, width=wide, height=tall) for left, wide in cols] for top, tall in rows]


_WHOLE_IMAGE_PIXELS = 32_000_000  # Larger images are read one row of chips after the other.
_MOST_EMPTY = 0.5

ChipStatus = Literal["kept", "blank", "unlabelled", "little foreground"]


@dataclass(frozen=True)
class SceneFacts:
    """Facts of an image's header that go along to its chips.

    Attributes:
        grid: Size and place.
        nodata: The value that means "no data"; None for a palette, whose colours are what is kept.
        descriptions: The names of the bands; empty where they have none.
    """

    grid: Grid
    nodata: float | None
    descriptions: tuple[str, ...]


@dataclass(frozen=True)
class Chip:
    """A chip, kept or dropped.

    Attributes:
        window: Its place in the image; it may reach beyond.
        inside: The part of the window that lies in the image.
        image: Pixels (bands, height, width).
        labels: Class ids (height, width).
        status: Whether it is kept, or why it is dropped.
        empty_fraction: Fraction of the part inside that is nodata, black or white.
        labelled_fraction: Fraction of the part inside that has a label.
        foreground_fraction: Fraction of the labelled pixels that is not background; None without a background.
    """

    window: Window
    inside: Window
    image: Pixels
    labels: Labels
    status: ChipStatus
    empty_fraction: float
    labelled_fraction: float
    foreground_fraction: float | None


def scene_facts(sample: Sample) -> SceneFacts:
    """Read the header of a sample's image.

    Args:
        sample: The sample.

    Returns:
        Its facts.

    Raises:
        DataError: The image cannot be opened.
    """
    with open_scene(sample.image) as scene:
        named = all(scene.descriptions) and scene.palette is None
        descriptions = tuple(scene.descriptions[band - 1] or "" for band in scene.data_bands) if named else ()
        return SceneFacts(scene.grid, None if scene.palette is not None else scene.nodata, descriptions)


def iter_chips(
    dataset: Dataset, sample: Sample, facts: SceneFacts, rules: ChipRules, *, for_training: bool
) -> Iterator[Chip]:
    """Cut all chips of a sample, those that are to be dropped too.

    Beyond the image and where it has no data the ids are 255; pixels without data are the file's nodata, NaN or 0.

    Args:
        dataset: The dataset.
        sample: The sample.
        facts: The facts of its image.
        rules: How chips are cut and which are kept.
        for_training: True asks for the least fraction of foreground; scores on chosen chips would flatter.

    Yields:
        The chips, row by row.

    Raises:
        DataError: The image or its mask cannot be read.
    """
    whole = facts.grid.window
    is_small = whole.height * whole.width <= _WHOLE_IMAGE_PIXELS
    buffer = _read(dataset, sample, facts, whole) if is_small else None
    for windows in plan_chips(whole.height, whole.width, rules):
        if not is_small:
            # A chip that is mirrored at the lower edge shows rows above it again.
            above = rules.chip_size if rules.pad == "reflect" else 0
            first = windows[0]
            rows = replace(whole, row_off=first.row_off - above, height=above + first.height)
            buffer = _read(dataset, sample, facts, rows.intersection(whole))
        assert buffer is not None
        for window in windows:
            yield _chip(dataset, buffer, window, rules, for_training=for_training)


@dataclass(frozen=True)
class _RowBuffer:
    """A part of an image that was read at once, and the image's own window; `filling` stands for no data."""

    window: Window
    whole: Window
    image: Pixels
    labels: Labels
    valid: Valid
    filling: float


def _read(dataset: Dataset, sample: Sample, facts: SceneFacts, window: Window) -> _RowBuffer:
    image, labels, valid = read_sample(dataset, sample, window=window)
    filling = facts.nodata if facts.nodata is not None else math.nan if image.dtype.kind == "f" else 0.0
    image[:, ~valid] = filling
    return _RowBuffer(window, facts.grid.window, image, labels, valid, filling)


def _chip(dataset: Dataset, buffer: _RowBuffer, window: Window, rules: ChipRules, *, for_training: bool) -> Chip:
    inside = window.intersection(buffer.window)
    rows, cols = inside.shifted(-buffer.window.row_off, -buffer.window.col_off).slices
    image, labels = buffer.image[:, rows, cols], buffer.labels[rows, cols]
    empty = 1.0 if is_constant(image) else empty_fraction(image, buffer.valid[rows, cols])
    labelled, background = labels != IGNORE_INDEX, dataset.legend.background
    foreground = None
    if background is not None:
        foreground = float((labelled & (labels != background)).sum() / max(int(labelled.sum()), 1))
    status: ChipStatus = "kept"
    if rules.drop_blank and empty >= _MOST_EMPTY:
        status = "blank"
    elif not labelled.any():
        status = "unlabelled"
    elif for_training and rules.min_foreground is not None and (foreground or 0.0) < rules.min_foreground:
        status = "little foreground"
    sides = ((0, window.height - inside.height), (0, window.width - inside.width))
    if rules.pad == "reflect":
        mirrored_rows = _reflected(window.row_off, window.row_end, buffer.whole.height) - buffer.window.row_off
        mirrored_cols = _reflected(window.col_off, window.col_end, buffer.whole.width)
        pixels = buffer.image[:, mirrored_rows[:, None], mirrored_cols]
    else:
        pixels = np.pad(image, ((0, 0), *sides), constant_values=buffer.filling)
    return Chip(
        window,
        inside,
        pixels,
        np.pad(labels, sides, constant_values=IGNORE_INDEX),
        status,
        empty,
        float(labelled.mean()),
        foreground,
    )


def _reflected(start: int, end: int, length: int) -> npt.NDArray[np.intp]:
    """Return the place in an image, mirrored at its edges again and again, of each place from start to end."""
    period = max(1, 2 * (length - 1))
    places = np.arange(start, end) % period
    return np.minimum(places, period - places)


_COLUMNS = (
    *("split", "chip", "status", "scene", "group", "image", "row_off", "col_off", "height", "width"),
    *("labelled_fraction", "foreground_fraction", "empty_fraction"),
)
_PNG_TYPES = ("uint8", "uint16")


class ChipStore:
    """Writes the chips of a dataset, one after the other, to a folder that is there already.

    A chip is a PNG where that holds all there is, else a GeoTIFF with its place on the ground; its mask has the same
    name and format.

    Args:
        folder: The folder.
        dataset: The dataset of the chips.
        manifest: An open text file; each chip becomes a line of it, with its place in the image and why it was dropped
            if it was.
    """

    def __init__(self, folder: Path, dataset: Dataset, manifest: IO[str]) -> None:
        self._folder = folder
        self._dataset = dataset
        self._table = csv.writer(manifest, lineterminator="\n")
        self._table.writerow(_COLUMNS)

    def add(self, split: str, sample: Sample, facts: SceneFacts, chip: Chip) -> None:
        """Write a chip that is kept, and the line of any.

        Args:
            split: The split.
            sample: The sample that the chip is cut from.
            facts: The facts of its image.
            chip: The chip.

        Raises:
            UsageError: There is a chip of the same name already.
        """
        scene = sample.key.partition("/")[2] or sample.key
        name = ""
        if chip.status == "kept":
            is_plain = not facts.grid.is_georeferenced and facts.nodata is None and not facts.descriptions
            fits_png = is_plain and len(chip.image) in (1, 3) and str(chip.image.dtype) in _PNG_TYPES
            name = f"{scene}_{chip.window.row_off}_{chip.window.col_off}{'.png' if fits_png else '.tif'}"
            grid = facts.grid.cropped(chip.window)
            image = self._folder / "images" / split / name
            count, dtype = len(chip.image), str(chip.image.dtype)
            with create_raster(
                image, grid, count=count, dtype=dtype, nodata=facts.nodata, descriptions=facts.descriptions
            ) as writer:
                writer.write(chip.image, grid.window)
            nodata = IGNORE_INDEX if name.endswith(".tif") else None
            with create_raster(self._folder / "masks" / split / name, grid, nodata=nodata) as writer:
                writer.write(chip.labels, grid.window)
        root, inside = self._dataset.root, chip.inside
        source = sample.image.relative_to(root) if sample.image.is_relative_to(root) else Path(sample.image.name)
        foreground = None if chip.foreground_fraction is None else round(chip.foreground_fraction, 6)
        where = (inside.row_off, inside.col_off, inside.height, inside.width)
        fractions = (round(chip.labelled_fraction, 6), foreground, round(chip.empty_fraction, 6))
        texts = map(csv_cell, (split, name, chip.status, scene, sample.group, source.as_posix()))
        self._table.writerow((*texts, *where, *fractions))
