"""Export a model for another program, or in int8."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from overland.bundle import ModelBundle, load_bundle
from overland.errors import UsageError
from overland.exporters.compact import compact_bundle
from overland.exporters.deepness import deepness_graph, deepness_metadata
from overland.exporters.hugging_face import save_for_hub, smp_class_of
from overland.exporters.stac import stac_item
from overland.output import check_model_folder, check_output, check_outside, fresh_file, write_folder
from overland.result import Result
from overland.workflows.quantize import quantize

__all__ = ["EXPORT_FORMATS", "ExportResult", "export"]

EXPORT_FORMATS = {"onnx": ".onnx", "stac": ".json", "hf": "", "bundle": "", "compact": ""}
"""The formats, each with the suffix of its file; those without one are folders."""


@dataclass(frozen=True)
class ExportResult(Result):
    """An exported model. Fields that belong to other formats are None.

    Attributes:
        model: The model.
        output: The file or folder that was written.
        format: Its format.
        precision: "fp32" or "int8".
        bytes: Its size on disk.
        notes: Sentences on settings of the other program.
        int8: The comparison of the int8 graph with fp32, as `quantize` gives it.
        tile_size: onnx: side of the tiles in pixels.
        overlap_percent: onnx: overlap of neighbouring tiles in percent of a tile.
        threshold: onnx: probability from which on a pixel is class 1.
        resolution_cm: onnx: size of a pixel in centimetres, where the model knows it.
        id: stac: the id of the item.
        smp_class: hf: the class of segmentation_models_pytorch that opens the folder, if one does.
    """

    model: Path
    output: Path
    format: str
    precision: str
    bytes: int
    notes: tuple[str, ...] = ()
    int8: Mapping[str, Any] | None = None
    tile_size: int | None = None
    overlap_percent: int | None = None
    threshold: float | None = None
    resolution_cm: float | None = None
    id: str | None = None
    smp_class: str | None = None


def export(
    model: str | Path,
    output: str | Path,
    *,
    format: Literal["onnx", "stac", "hf", "bundle", "compact"] | None = None,
    precision: Literal["fp32", "int8"] = "fp32",
    calibrate: Sequence[str | Path] = (),
    data: str | Path | None = None,
    force: bool = False,
    tile_size: int = 512,
    overlap_percent: int | None = None,
    overwrite: bool = False,
) -> ExportResult:
    """Write a model for another program, or in int8.

    All formats but stac and bundle need the extra train. A model that another program would map wrongly is refused.

    Args:
        model: The model: a bundle, the folder of a run, or the name of a pretrained model.
        output: The file or folder to write; it is there whole or not at all.
        format: onnx is one file for the QGIS plugin Deepness, stac an item that describes the model where it lies, hf a
            folder for the Hugging Face Hub, bundle a copy, compact a copy in a quarter of the size (weights in half
            precision, stored once).  [default: onnx for a name with that suffix, else bundle]
        precision: Numbers that the network computes with.
        calibrate: int8: a scene like those to be mapped, on which the ranges are chosen (repeat it).
        data: int8: a dataset whose validation images say what int8 costs in IoU.
        force: int8: write it even where it loses more than 0.2 points of IoU.
        tile_size: onnx: side in pixels of the tiles that Deepness cuts.
        overlap_percent: onnx: overlap of neighbouring tiles in percent.  [default: what the model needs]
        overwrite: Replace OUTPUT if it exists.

    Returns:
        The size of the output and what to set in the other program.

    Raises:
        UsageError: Options that make no sense, or an output that exists.
        DataError: The model is none, or the other program would map wrongly with it.
        MissingExtraError: The extra train is not installed.
    """
    bundle = load_bundle(model)
    output = Path(output)
    kind = format or ("onnx" if output.suffix.lower() == ".onnx" else "bundle")
    _check_options(bundle, output, kind, precision, calibrate)
    missing = [folder for folder in output.parents if not folder.exists()]
    if EXPORT_FORMATS[kind]:
        check_outside(bundle.graph_path.parent, output)
        check_output(output, suffixes=(EXPORT_FORMATS[kind],), overwrite=overwrite)
    else:
        check_model_folder(bundle.graph_path.parent, output, overwrite=overwrite)
    try:
        with TemporaryDirectory(prefix="overland-export-") as folder:
            if calibrate:
                quantize(model, list(calibrate), Path(folder) / "model", data=data, force=force)
                bundle = load_bundle(Path(folder) / "model")
            found = _write(bundle, output, kind, precision, tile_size, overlap_percent)
    except BaseException:
        for made in missing:
            with suppress(OSError):
                made.rmdir()
        raise
    files = [output] if output.is_file() else [path for path in output.rglob("*") if path.is_file()]
    return ExportResult(
        model=Path(model),
        output=output,
        format=kind,
        precision=precision,
        bytes=sum(path.stat().st_size for path in files),
        int8=bundle.int8 if precision == "int8" else None,
        **found,
    )


def _check_options(
    bundle: ModelBundle, output: Path, format: str, precision: str, calibrate: Sequence[str | Path]
) -> None:
    if format not in EXPORT_FORMATS:
        raise UsageError(f"There is no format {format!r} to export to; choose one of {', '.join(EXPORT_FORMATS)}.")
    suffix = EXPORT_FORMATS[format]
    if suffix and output.suffix.lower() != suffix:
        raise UsageError(f"{output} is the name of no {suffix} file, which is what --format {format} writes.")
    if not suffix and output.suffix.lower() in (".onnx", ".json"):
        raise UsageError(f"--format {format} writes a folder; {output} is the name of a file.")
    if precision not in ("fp32", "int8"):
        raise UsageError(f"There is no precision {precision!r} to export; choose fp32 or int8.")
    if calibrate and precision == "fp32":
        raise UsageError("Scenes calibrate a model in int8; add --precision int8, or leave --calibrate out.")
    if calibrate and format == "stac":
        raise UsageError(
            "A STAC item describes a model where it lies. Make the one in int8 first: "
            "overland export MODEL FOLDER --precision int8 --calibrate SCENE; then describe that FOLDER."
        )
    if precision == "int8" and not calibrate and bundle.int8 is None:
        raise UsageError("This model has no int8 graph yet. Name scenes like those to be mapped: --calibrate SCENE.")


def _write(
    bundle: ModelBundle, output: Path, format: str, precision: str, tile_size: int, overlap_percent: int | None
) -> dict[str, Any]:
    """Write the output; return the fields of the result that belong to its format."""
    if format == "onnx":
        return _write_onnx(bundle, output, precision, tile_size, overlap_percent)
    if format == "stac":
        item = stac_item(bundle, output.parent)
        with fresh_file(output) as part:
            part.write_text(json.dumps(item, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        return {"id": item["id"]}
    if format == "hf":
        save_for_hub(bundle, output)
        smp_class = smp_class_of(bundle)
        architecture = bundle.model.get("architecture")
        note = f"{architecture} is no network of smp: load_bundle and overland predict open the folder."
        return {"smp_class": smp_class, "notes": () if smp_class else (note,)}
    if format == "compact":
        compact_bundle(bundle, output)
    else:
        with write_folder(output) as part:
            shutil.copytree(bundle.graph_path.parent, part, dirs_exist_ok=True)
            load_bundle(part)
    return {}


def _write_onnx(
    bundle: ModelBundle, output: Path, precision: str, tile_size: int, overlap_percent: int | None
) -> dict[str, Any]:
    graph = bundle.int8_path if precision == "int8" else None
    content = deepness_graph(bundle, tile_size=tile_size, overlap_percent=overlap_percent, graph=graph)
    with fresh_file(output) as part:
        part.write_bytes(content)
    metadata = deepness_metadata(bundle, tile_size, overlap_percent)
    notes = []
    if "resolution" not in metadata:
        notes.append("The model does not know its resolution: set cm/px in Deepness to that of the training images.")
    if bundle.bands != tuple(range(1, bundle.in_channels + 1)):
        bands = ", ".join(map(str, bundle.bands))
        notes.append(f"The model was trained on the bands {bands}: choose these under Input channels mapping.")
    if bundle.num_outputs == 1 and bundle.threshold is not None and metadata["seg_thresh"] != bundle.threshold:
        notes.append(
            f"The tuned threshold {bundle.threshold:.4f} became {metadata['seg_thresh']}: Deepness has two decimals."
        )
    return {
        "tile_size": tile_size,
        "overlap_percent": metadata["tiles_overlap"],
        "threshold": metadata["seg_thresh"] or None,
        "resolution_cm": metadata.get("resolution"),
        "notes": tuple(notes),
    }
