"""The plan of a prediction, settled before it starts: for each scene its files, its part, its bands and its windows."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from overland.bundle import ModelBundle
from overland.errors import DataError, UsageError
from overland.geo.grid import Grid, Window
from overland.inference.compatibility import check_bands, choose_resampling, wants_palette_colors
from overland.inference.ensemble import ModelSet
from overland.inference.memory import MemoryCosts, planned_memory_mb, window_for_width, workers_for
from overland.inference.options import PredictOptions
from overland.inference.plan import Plan, plan_windows, round_up
from overland.inference.region import Area, Bounds, ScenePart, scene_part
from overland.inference.resample import Resampling, resampling_bytes
from overland.output import check_output
from overland.raster.open import input_files
from overland.raster.read import Scene, open_scene
from overland.raster.row_blocks import are_own_outputs
from overland.raster.write import OUTPUT_DRIVERS

__all__ = ["SceneOutputs", "SceneRun", "open_input", "plan_outputs", "plan_scene_runs"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SceneOutputs:
    """A scene, and the files that it becomes.

    Attributes:
        source: File name or URL of the scene.
        files: The files by their kind: "mask" (the class map), and maybe "probabilities" and "confidence".
    """

    source: str
    files: Mapping[str, Path]

    @property
    def mask(self) -> Path:
        """The class map; the journal of a run lies next to it."""
        return self.files["mask"]


def plan_outputs(
    scenes: Sequence[str | Path], output: str | Path, options: PredictOptions | None = None
) -> list[SceneOutputs]:
    """Name the outputs of every scene, and check them against the scenes, each other and the disk.

    Several scenes, or an output that is a folder, give a folder with `<stem>.tif` for each.

    Args:
        scenes: File names or URLs.
        output: File of the class map, or a folder.
        options: Options of the run, which name further outputs.

    Returns:
        The outputs of each scene.

    Raises:
        UsageError: Something is wrong with a name; nothing has been written then.
    """
    options = options or PredictOptions()
    if not scenes:
        raise UsageError("There is nothing to predict; name at least one raster.")
    sources = [str(source) for source in scenes]
    files = {kind: _files(sources, Path(path)) for kind, path in {"mask": output, **options.outputs}.items()}
    outputs = [
        SceneOutputs(source, {kind: paths[index] for kind, paths in files.items()})
        for index, source in enumerate(sources)
    ]
    written = [path.resolve() for each in outputs for path in each.files.values()]
    repeated = [path for path, count in Counter(written).items() if count > 1]
    if repeated:
        raise UsageError(
            f"{repeated[0]} would be written twice. Give inputs of different names, or predict them apart."
        )
    read = {Path(source).resolve() for source in sources if "://" not in source}
    for path in written:
        if path in read:
            raise UsageError(f"{path} is an input and would be overwritten; choose another output.")
    inputs = input_files(*sources, options.area)
    for each in outputs:
        is_ours = are_own_outputs(each.files)
        for kind, path in each.files.items():
            suffixes = tuple(OUTPUT_DRIVERS) if kind == "mask" else (".tif", ".tiff")
            check_output(path, suffixes=suffixes, overwrite=options.overwrite or is_ours, inputs=inputs)
    return outputs


def _files(sources: list[str], output: Path) -> list[Path]:
    if len(sources) == 1 and not output.is_dir():
        return [output]
    if output.suffix.lower() in OUTPUT_DRIVERS:
        raise UsageError(f"{len(sources)} inputs need a folder as output; {output} is the name of one file.")
    # Of a URL the question at its end (a signature, say) is not part of the name.
    stems = [Path(urlsplit(source).path if "://" in source else source).stem for source in sources]
    return [output / f"{stem}.tif" for stem in stems]


@dataclass(frozen=True)
class SceneRun:
    """One scene to predict.

    Attributes:
        source: File name or URL of the scene.
        outputs: The files that are written, by their kind.
        part: The part of the scene that is predicted.
        grid: Where the outputs lie.
        bands: Bands to read, counted from 1.
        plan: The windows; of the model's pixels where the scene is resampled.
        resampling: How the scene becomes one of the model's resolution; None where it is taken as it is.
        costs: Memory for each pixel.
        settings: Everything that the outputs depend on beside the models and the engine, as plain values under names
            that a person understands.
    """

    source: str
    outputs: Mapping[str, Path]
    part: ScenePart
    grid: Grid
    bands: tuple[int, ...]
    plan: Plan
    resampling: Resampling | None
    costs: MemoryCosts
    settings: Mapping[str, Any]

    @property
    def mask(self) -> Path:
        """The class map; the journal lies next to it."""
        return self.outputs["mask"]

    @property
    def megapixels(self) -> float:
        """Size of the outputs in millions of pixels."""
        return self.grid.height * self.grid.width / 1e6

    @property
    def windows(self) -> int:
        """Number of windows that touch the part."""
        return self.plan.windows_touching(self.model_window)

    @property
    def model_window(self) -> Window:
        """The part in the pixels that the model sees."""
        return self.part.window if self.resampling is None else self.resampling.reversed.needed(self.part.window)

    @property
    def model_megapixels(self) -> float:
        """Size of all windows together in millions of pixels."""
        return self.windows * self.plan.rows.chip * self.plan.cols.chip / 1e6

    def memory_mb(self, workers: int) -> float:
        """Estimate the memory at its largest.

        Args:
            workers: Number of windows that are computed at once.

        Returns:
            Memory of the process in MB.
        """
        return planned_memory_mb(self.plan, self.costs, width=self.model_window.width, workers=workers)

    def max_workers(self, max_memory_mb: float | None) -> int:
        """Choose how many windows may be computed at once.

        Args:
            max_memory_mb: Memory to stay below in MB; a default for this machine without it.

        Returns:
            Their number.

        Raises:
            UsageError: One window takes more than that.
            ResourceError: One window takes more memory than the machine has free.
        """
        return workers_for(self.plan, self.costs, width=self.model_window.width, max_memory_mb=max_memory_mb)


def plan_scene_runs(outputs: Sequence[SceneOutputs], models: ModelSet, options: PredictOptions) -> list[SceneRun]:
    """Check every scene against the models, and plan its windows.

    Args:
        outputs: The scenes with the files that they become.
        models: The models.
        options: Options of the run.

    Returns:
        The scenes to predict; those outside the area or the bounds are left out.

    Raises:
        DataError: A scene does not fit the model or cannot be read, or no scene is within the bounds.
        UsageError: An option does not fit the model.
    """
    if options.threshold is not None and models.num_outputs > 1:
        classes = models.bundle.legend.num_classes
        raise UsageError(f"A threshold decides between two classes; this model has {classes}.")
    limits = options.read_limits()
    runs = [run for each in outputs if (run := _plan_scene(each, models, options, limits)) is not None]
    if not runs:
        raise DataError(_outside(outputs, models.bundle, limits))
    if options.chip_size and options.chip_size % models.divisor:
        rounded = round_up(options.chip_size, models.divisor)
        logger.info("Chips are at most %d pixels: the model needs multiples of %d.", rounded, models.divisor)
    return runs


def open_input(bundle: ModelBundle, source: str, nodata: float | None = None) -> Scene:
    """Open a scene the way that a model wants it.

    Args:
        bundle: The model.
        source: File name or URL.
        nodata: Value that means no data; what the file says by default.

    Returns:
        The open scene.
    """
    return open_scene(source, expand_palette=wants_palette_colors(bundle), nodata=nodata)


def _plan_scene(
    outputs: SceneOutputs, models: ModelSet, options: PredictOptions, limits: Bounds | Area | None
) -> SceneRun | None:
    with open_input(models.bundle, outputs.source, options.nodata) as scene:
        bands = check_bands(models.bundle, scene, options.bands)
        part = scene_part(outputs.source, scene.grid, limits)
        if part is None:
            logger.info("%s lies outside the area; it is left out.", outputs.source)
            return None
        resampling = None if models.fixed_size else choose_resampling(models.bundle, scene, options.resample)
        whole = scene.grid.window if resampling is None else resampling.bounds
        halo = models.halo if options.overlap is None else math.ceil(options.overlap / 2)
        pixel_bytes = len(bands) * np.dtype(scene.dtype).itemsize
        num_outputs = models.num_outputs
        fixed_bytes = (
            0
            if resampling is None
            else resampling_bytes(resampling, part.window.width, len(bands), pixel_bytes, num_outputs)
        )
        costs = MemoryCosts(models.bytes_per_pixel, len(bands), pixel_bytes, num_outputs, fixed_bytes)
        chip_size = options.chip_size or window_for_width(
            models.window, costs, width=whole.width, halo=halo, divisor=models.divisor
        )
        if models.fixed_size:
            logger.warning(
                "This model resizes the whole of %s, %d x %d pixels, to %d x %d, as its system was published: what is "
                "narrower than a pixel of that is lost, and --chip-size, --overlap and --resample do nothing.",
                *(outputs.source, whole.height, whole.width, models.fixed_size, models.fixed_size),
            )
            halo, chip_size = 0, max(whole.height, whole.width)
        plan = plan_windows(whole.height, whole.width, chip_size=chip_size, halo=halo, divisor=models.divisor)
        return SceneRun(
            source=outputs.source,
            outputs=outputs.files,
            part=part,
            grid=scene.grid if part.window == scene.grid.window else scene.grid.cropped(part.window),
            bands=bands,
            plan=plan,
            resampling=resampling,
            costs=costs,
            settings=_settings(outputs, scene, part, bands, plan, resampling, options, limits),
        )


def _settings(
    outputs: SceneOutputs,
    scene: Scene,
    part: ScenePart,
    bands: tuple[int, ...],
    plan: Plan,
    resampling: Resampling | None,
    options: PredictOptions,
    limits: Bounds | Area | None,
) -> dict[str, Any]:
    grid, window = scene.grid, part.window
    return {
        "input": outputs.source if "://" in outputs.source else str(Path(outputs.source).absolute()),
        "input file": scene.identity,
        "grid": f"{grid.height} x {grid.width}, {list(grid.transform)[:6]}, {grid.crs}",
        "outputs": {kind: str(path.absolute()) for kind, path in outputs.files.items()},
        "bands": bands,
        # NaN is unequal to itself.
        "nodata": str(options.nodata),
        "rows and columns": [window.row_off, window.col_off, window.height, window.width],
        "area": limits.digest if isinstance(limits, Area) else None,
        "threshold": options.threshold,
        "chip size": [plan.rows.chip, plan.cols.chip],
        "overlap": 2 * plan.rows.halo,
        "resampled to": None if resampling is None else [resampling.rows.size, resampling.cols.size],
        "tta": options.tta,
        "creation options": options.creation_options,
    }


def _outside(outputs: Sequence[SceneOutputs], bundle: ModelBundle, limits: Bounds | Area | None) -> str:
    wanted = f"The area of {limits.path}" if isinstance(limits, Area) else f"The bounds {_listed(limits or ())}"
    with open_input(bundle, outputs[0].source) as scene:
        found = f"{outputs[0].source} covers {_listed(scene.grid.bounds)} ({scene.grid.crs or 'pixels'})"
    return f"{wanted} and the input do not meet; {found}. Bounds are left bottom right top in the CRS of the scene."


def _listed(bounds: Sequence[float]) -> str:
    return " ".join(f"{value:.12g}" for value in bounds)
