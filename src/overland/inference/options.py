"""Options of a prediction: one typed value from the command line, Python and the web down to the journal of a run."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from overland.errors import UsageError
from overland.inference.engines import Engine, EngineName, PrecisionName
from overland.inference.region import Area, Bounds, check_bounds, read_area
from overland.raster.write import check_creation

__all__ = ["PredictOptions", "ResampleMode", "TtaMode", "megabytes"]

TtaMode = Literal["flips", "d4"]
ResampleMode = Literal["auto", "off"]

_LARGEST_SIDE = 1 << 20
_UNITS_MB = {"": 1.0, "KB": 1e-3, "MB": 1.0, "GB": 1e3, "TB": 1e6, "KIB": 1.024e-3, "MIB": 1.048576, "GIB": 1073.741824}


@dataclass(frozen=True)
class PredictOptions:
    """Options of a prediction run beside its models, scenes and output; checked when they are made.

    Raises `UsageError` for a value that makes no sense.

    Attributes:
        with_models: Models whose probabilities are averaged with the first one's; may be given several times.
        bands: Bands to read, counted from 1, in the order that the model wants. [default: all but alpha]
        nodata: Value of the scenes that means no data. [default: what the file says]
        bounds: Map this rectangle only: left, bottom, right, top in the CRS of the scene.
        area: Map the polygons of this vector file only, in any CRS; there is no data around them.
        probabilities: Write the probabilities too: GeoTIFF of floats, NaN where there is no data.
        confidence: Write the largest probability and the entropy (0 is certain, 1 knows nothing) too.
        threshold: Smallest probability of class 1 in a two-class model, 0 to 1. [default: as tuned]
        tta: Average over mirrored windows (flips: 4 times the work), and turned ones (d4: 8 times).
        engine: Program that runs the network. [default: the fastest that is installed]
        precision: Kind of numbers. [default: fp32 on a processor, fp16 on a GPU]
        resample: Bring a scene to the resolution that the model knows, for the network alone. [default: where it
            differs]
        max_memory: Memory to stay below, such as 4GB or a number of megabytes; it decides how many windows are computed
            at once, and never changes the map. [default: 1.5GB, at most half of what is free]
        chip_size: Largest window in pixels. [default: what the model is meant for; another size changes the map a
            little]
        overlap: Pixels that neighbouring windows have in common. [default: what the model needs]
        creation: Creation option of GDAL's driver COG, such as COMPRESS=ZSTD; may be given several times.
        overwrite: Replace outputs that exist, and unfinished work of another run.
        dry_run: Write nothing; report windows, sizes, memory and time expected.
    """

    with_models: Sequence[str | Path] = ()
    bands: tuple[int, ...] | None = None
    nodata: float | None = None
    bounds: tuple[float, float, float, float] | None = None
    area: str | Path | None = None
    probabilities: str | Path | None = None
    confidence: str | Path | None = None
    threshold: float | None = None
    tta: TtaMode | None = None
    engine: EngineName | Engine = "auto"
    precision: PrecisionName = "auto"
    resample: ResampleMode = "auto"
    max_memory: str | float | None = None
    chip_size: int | None = None
    overlap: int | None = None
    creation: dict[str, str] | None = None
    overwrite: bool = False
    dry_run: bool = False

    def __post_init__(self) -> None:
        _check_choice("engine", self.engine, EngineName)
        _check_choice("precision", self.precision, PrecisionName)
        _check_choice("resampling", self.resample, ResampleMode)
        if self.tta is not None:
            _check_choice("test-time augmentation", self.tta, TtaMode)
        if self.bands is not None and (not self.bands or min(self.bands) < 1):
            raise UsageError(f"Bands are counted from 1; got {', '.join(map(str, self.bands)) or 'none'}.")
        if self.bounds is not None and self.area is not None:
            raise UsageError("--bounds and --area both cut a part out; give one of them.")
        if self.bounds is not None:
            check_bounds(self.bounds)
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise UsageError(f"A threshold is a probability from 0 to 1; got {self.threshold}.")
        if self.chip_size is not None and not 1 <= self.chip_size <= _LARGEST_SIDE:
            raise UsageError(f"--chip-size {self.chip_size} is no size of a window in pixels; try 512.")
        if self.overlap is not None and not 0 <= self.overlap <= _LARGEST_SIDE:
            raise UsageError(f"--overlap {self.overlap} is no number of pixels that windows have in common; try 64.")
        if self.max_memory is not None:
            megabytes(self.max_memory)
        check_creation(self.creation_options)

    @property
    def outputs(self) -> dict[str, str | Path]:
        """The files that are written beside the class map, by their kind."""
        given = {"probabilities": self.probabilities, "confidence": self.confidence}
        return {kind: path for kind, path in given.items() if path}

    @property
    def creation_options(self) -> dict[str, str]:
        """GDAL's creation options, names in capitals."""
        return {name.upper(): str(value) for name, value in (self.creation or {}).items()}

    @property
    def max_memory_mb(self) -> float | None:
        """Memory to stay below in MB; None where none was given."""
        return None if self.max_memory is None else megabytes(self.max_memory)

    def read_limits(self) -> Bounds | Area | None:
        """Read the limits that cut a part out of the scenes.

        Returns:
            The bounds, the polygons of the area, or None where all is mapped.

        Raises:
            DataError: The area cannot be read.
        """
        if self.area is not None:
            return read_area(self.area)
        return None if self.bounds is None else check_bounds(self.bounds)


def megabytes(amount: str | float) -> float:
    """Read an amount of memory as people write it.

    Args:
        amount: "4GB", "800 MB", "1.5GiB", or a plain number of megabytes.

    Returns:
        Megabytes.

    Raises:
        UsageError: It is no amount of memory.
    """
    found = re.fullmatch(r"([0-9]*\.?[0-9]+)\s*([A-Za-z]*)", str(amount).strip())
    unit = _UNITS_MB.get(found[2].upper()) if found else None
    if found is None or unit is None or not float(found[1]) > 0:
        raise UsageError(f"{amount!r} is no amount of memory; write it as 4GB or 800MB.")
    value = float(found[1]) * unit
    if not math.isfinite(value):
        raise UsageError(f"{amount!r} is no amount of memory; write it as 4GB or 800MB.")
    return value


def _check_choice(noun: str, value: Any, choices: Any) -> None:
    if isinstance(value, str) and value not in get_args(choices):
        raise UsageError(f"There is no {noun} {value!r}; choose one of {', '.join(get_args(choices))}.")
