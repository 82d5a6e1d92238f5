"""Where a prediction reads and writes: each input with the files that come of it, checked before anything is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from overland.errors import UsageError
from overland.raster.output import OUTPUT_DRIVERS
from overland.raster.row_bands import are_own_outputs
from overland.raster.write import check_output

__all__ = ["Target", "predict_targets"]


@dataclass(frozen=True)
class Target:
    """An input, and the files that it becomes by their kind: "mask", and maybe "scores" and "confidence"."""

    source: str
    outputs: Mapping[str, Path]

    @property
    def mask(self) -> Path:
        """The class map, beside which the journal lies."""
        return self.outputs["mask"]


def predict_targets(
    inputs: Sequence[str | Path], outputs: Mapping[str, str | Path | None], *, overwrite: bool = False
) -> list[Target]:
    """Name the outputs of every input, and check them against the inputs, each other and the disk.

    Several inputs, or an output that is a folder, give a folder with `<stem>.tif` for each. Raises `UsageError` for the
    first thing that is wrong; nothing has been written then.
    """
    if not inputs:
        raise UsageError("There is nothing to predict; name at least one raster.")
    sources = [str(source) for source in inputs]
    files = {kind: _files(sources, Path(path)) for kind, path in outputs.items() if path}
    targets = [
        Target(source, {kind: paths[index] for kind, paths in files.items()}) for index, source in enumerate(sources)
    ]
    _check_distinct(targets)
    for target in targets:
        _check_outputs(target, overwrite)
    return targets


def _files(sources: list[str], output: Path) -> list[Path]:
    if len(sources) == 1 and not output.is_dir():
        return [output]
    if output.suffix.lower() in OUTPUT_DRIVERS:
        raise UsageError(f"{len(sources)} inputs need a folder as output; {output} is the name of one file.")
    return [output / f"{_stem(source)}.tif" for source in sources]


def _stem(source: str) -> str:
    # Of a URL the question at its end (a signature, say) is not part of the name.
    return Path(urlsplit(source).path if "://" in source else source).stem


def _check_distinct(targets: list[Target]) -> None:
    written = [path.resolve() for target in targets for path in target.outputs.values()]
    repeated = [path for path, count in Counter(written).items() if count > 1]
    if repeated:
        raise UsageError(
            f"{repeated[0]} would be written twice. Give inputs of different names, or predict them apart."
        )
    read = {Path(target.source).resolve() for target in targets if "://" not in target.source}
    for path in written:
        if path in read:
            raise UsageError(f"{path} is an input and would be overwritten; choose another output.")


def _check_outputs(target: Target, overwrite: bool) -> None:
    is_ours = are_own_outputs(target.outputs)
    for kind, path in target.outputs.items():
        suffixes = tuple(OUTPUT_DRIVERS) if kind == "mask" else (".tif", ".tiff")
        check_output(path, overwrite=overwrite or is_ours, suffixes=suffixes)
