"""Export: a model for another program, or in eight bits."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from overland.bundle import ModelBundle, load_bundle
from overland.errors import UsageError
from overland.exporters.compact import compact_bundle
from overland.exporters.deepness import deepness_graph, deepness_metadata
from overland.exporters.hugging_face import save_for_hub, smp_class_of
from overland.exporters.stac import stac_item
from overland.output import check_model_folder, check_outside
from overland.workflows.quantize import quantize_bundle

__all__ = ["EXPORT_FORMATS", "export"]

EXPORT_FORMATS = {"onnx": ".onnx", "stac": ".json", "hf": "", "bundle": "", "compact": ""}
"""The formats, each with the suffix of its file; those without one are folders."""


def export(
    model: str | Path,
    output: str | Path,
    *,
    format: str | None = None,
    precision: str = "fp32",
    calibrate: Sequence[str | Path] = (),
    data: str | Path | None = None,
    force: bool = False,
    tile_size: int = 512,
    overlap_percent: int | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write a model for another program.

    `format` is "onnx" (one file for the QGIS plugin Deepness), "stac" (an item that describes the model where it
    lies), "hf" (a folder for the Hugging Face Hub), "bundle" (a copy) or "compact" (a copy in a quarter of the size:
    weights in half precision, stored once); by default what the suffix of `output` says, else a bundle. With
    `precision` "int8" the model gets an eight-bit graph first, calibrated on the scenes `calibrate` and judged on them
    and the labelled dataset `data`; `force` writes it in spite of a loss. `tile_size` is the side in pixels of what
    Deepness hands to the network, `overlap_percent` what its tiles share.

    The output is there whole or not at all. Raises `UsageError` for options that make no sense or an output that
    exists, `DataError` for a model that is none or that the other program would map wrongly.
    """
    bundle = load_bundle(model)
    output = Path(output)
    format = _check_format(format, output)
    _check_precision(bundle, format, precision, calibrate)
    _check_output(bundle.graph_path.parent, output, format, overwrite)
    with TemporaryDirectory(prefix="overland-export-") as folder:
        if calibrate:
            quantize_bundle(model, Path(folder) / "model", list(calibrate), data=data, force=force)
            bundle = load_bundle(Path(folder) / "model")
        found = _write(bundle, output, format, precision, tile_size, overlap_percent)
    return {
        "model": str(model),
        "output": str(output),
        "format": format,
        "precision": precision,
        "bytes": _size(output),
        **found,
        "int8": bundle.int8 if precision == "int8" else None,
    }


def _check_format(format: str | None, output: Path) -> str:
    if format is None:
        format = "onnx" if output.suffix.lower() == ".onnx" else "bundle"
    if format not in EXPORT_FORMATS:
        raise UsageError(f"There is no format {format!r} to export to; choose one of {', '.join(EXPORT_FORMATS)}.")
    suffix = EXPORT_FORMATS[format]
    if suffix and output.suffix.lower() != suffix:
        raise UsageError(f"{output} is the name of no {suffix} file, which is what --format {format} writes.")
    if not suffix and output.suffix.lower() in (".onnx", ".json"):
        raise UsageError(f"--format {format} writes a folder; {output} is the name of a file.")
    return format


def _check_precision(bundle: ModelBundle, format: str, precision: str, calibrate: Sequence[str | Path]) -> None:
    if precision not in ("fp32", "int8"):
        raise UsageError(f"There is no precision {precision!r} to export; choose fp32 or int8.")
    if calibrate and precision == "fp32":
        raise UsageError("Scenes calibrate a model in eight bits; add --precision int8, or leave --calibrate out.")
    if calibrate and format == "stac":
        raise UsageError(
            "A STAC item describes a model where it lies. Make the one in eight bits first: "
            "overland export MODEL FOLDER --precision int8 --calibrate SCENE; then describe that FOLDER."
        )
    if precision == "int8" and not calibrate and bundle.int8 is None:
        raise UsageError(
            "This model has no eight-bit graph yet. Name scenes like those to be mapped: --calibrate SCENE."
        )


def _check_output(model: Path, output: Path, format: str, overwrite: bool) -> None:
    if not EXPORT_FORMATS[format]:
        check_model_folder(model, output, overwrite=overwrite)
        return
    check_outside(model, output)
    if output.exists() and not overwrite:
        raise UsageError(f"{output} exists already. Add --overwrite to replace it, or choose another name.")
    if output.is_dir():
        raise UsageError(f"{output} is a folder; --format {format} writes a file. Choose another name.")


def _write(
    bundle: ModelBundle, output: Path, format: str, precision: str, tile_size: int, overlap_percent: int | None
) -> dict[str, Any]:
    if format == "onnx":
        return _write_onnx(bundle, output, precision, tile_size, overlap_percent)
    if format == "stac":
        item = stac_item(bundle, output.parent)
        _write_file(output, (json.dumps(item, indent=2, ensure_ascii=False) + "\n").encode())
        return {"id": item["id"], "notes": []}
    if format == "hf":
        save_for_hub(bundle, output)
        smp_class = smp_class_of(bundle)
        return {"smp_class": smp_class, "notes": [] if smp_class else [_no_smp(bundle)]}
    if format == "compact":
        compact_bundle(bundle, output)
    else:
        _copy_bundle(bundle, output)
    return {"notes": []}


def _write_onnx(
    bundle: ModelBundle, output: Path, precision: str, tile_size: int, overlap_percent: int | None
) -> dict[str, Any]:
    graph = bundle.int8_path if precision == "int8" else None
    _write_file(output, deepness_graph(bundle, tile_size=tile_size, overlap_percent=overlap_percent, graph=graph))
    metadata = deepness_metadata(bundle, tile_size, overlap_percent)
    return {
        "tile_size": tile_size,
        "overlap_percent": metadata["tiles_overlap"],
        "threshold": metadata["seg_thresh"] or None,
        "resolution_cm": metadata.get("resolution"),
        "notes": _deepness_notes(bundle, metadata),
    }


def _deepness_notes(bundle: ModelBundle, metadata: dict[str, Any]) -> list[str]:
    notes = []
    if "resolution" not in metadata:
        notes.append("The model does not know its resolution: set cm/px in Deepness to that of the training images.")
    if bundle.bands != tuple(range(1, bundle.in_channels + 1)):
        bands = ", ".join(map(str, bundle.bands))
        notes.append(f"The model was trained on the bands {bands}: choose these under Input channels mapping.")
    if bundle.num_scores == 1 and bundle.threshold is not None and metadata["seg_thresh"] != bundle.threshold:
        notes.append(
            f"The tuned threshold {bundle.threshold:.4f} became {metadata['seg_thresh']}: Deepness has two decimals."
        )
    return notes


def _no_smp(bundle: ModelBundle) -> str:
    return f"{bundle.model.get('architecture')} is no network of smp: load_bundle and overland predict open the folder."


def _copy_bundle(bundle: ModelBundle, output: Path) -> None:
    part = output.with_name(output.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copytree(bundle.graph_path.parent, part)
        load_bundle(part)
        if output.exists():
            shutil.rmtree(output)
        part.replace(output)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write_file(path: Path, content: bytes) -> None:
    part = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
