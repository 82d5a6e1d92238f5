"""Report: one page on a model, from the files of its run, its bundle and its map."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from overland.bundle import ModelBundle, load_bundle
from overland.errors import DataError, UsageError
from overland.output import check_output
from overland.raster import input_files
from overland.reporting.curves import read_results, training_figure
from overland.reporting.figures import confusion_figure, svg_from_figure
from overland.reporting.html import (
    ReportContent,
    Section,
    class_table,
    extra_scores_html,
    facts,
    figure,
    headline,
    picture_from_bytes,
    write_report,
)
from overland.reporting.map_figure import map_figure
from overland.reporting.scene_map import check_map_picture, map_view, write_map_picture
from overland.result import Result
from overland.version import __version__
from overland.workflows.predict import predict

__all__ = ["ReportResult", "report"]

_SYNTHETIC = "synthetic scenes"
_NO_LICENCE = '<p class="note">No licence of the training data was recorded; look it up before the model is shared.</p>'
_SUFFIXES = (".html", ".htm")
_SPLITS = {"val": "validation images", "test": "test images", "train": "training images"}


@dataclass(frozen=True)
class ReportResult(Result):
    """A report that was written.

    Attributes:
        report: The page.
        picture: The picture of the map; None where none was asked for.
        sections: Titles of the sections.
    """

    report: Path
    picture: Path | None
    sections: tuple[str, ...]


def report(
    run_or_model: str | Path,
    *,
    output: str | Path | None = None,
    evaluation: str | Path | None = None,
    scene: str | Path | None = None,
    mask: str | Path | None = None,
    roads: str | Path | None = None,
    polygons: str | Path | None = None,
    picture: str | Path | None = None,
    roads_before: str | Path | None = None,
    overwrite: bool = False,
) -> ReportResult:
    """Write one self-contained HTML page on a run or a model.

    It shows the training data, metrics, curves, pictures and, with a scene, the map. Parts that do not exist are left
    out.

    Args:
        run_or_model: Run folder, model bundle, or name of a pretrained model.
        output: The page, a .html file  [default: report.html in the run folder, or here for a bundle].
        evaluation: Folder of an evaluation, whose metrics and pictures come first.
        scene: A scene to show as a map; the model maps it here when nothing is given to lie over it.
        mask: Class map of the scene, laid over it.
        roads: Road lines, drawn over the scene.
        polygons: Polygons, drawn over the scene.
        picture: PNG of the map alone: the roads by confidence, or the polygons by class.
        roads_before: Roads before gaps were filled, which stand next to the others in the picture.
        overwrite: Replace the output if it exists.

    Returns:
        The files that were written, and the titles of the sections.

    Raises:
        DataError: A file cannot be read, or does not lie on the scene.
        UsageError: The output exists, is no .html file, or a map is asked for without a scene.
    """
    if scene is None and (mask or roads or polygons or picture):
        raise UsageError("A mask, roads or polygons are drawn over a scene; name it with --scene.")
    inputs = input_files(scene, mask, roads, polygons, roads_before)
    if picture is not None:
        check_map_picture(picture, roads or polygons, overwrite=overwrite, inputs=inputs)
    source = _source(Path(run_or_model))
    bundle = source.bundle
    path = Path(output) if output is not None else (source.run or Path()) / "report.html"
    check_output(path, suffixes=_SUFFIXES, overwrite=overwrite, inputs=inputs)
    evaluations = _evaluations(bundle, evaluation)
    sections = []
    with TemporaryDirectory() as folder:
        if scene is not None:
            shown = mask
            if mask is None and not (roads or polygons):
                shown = Path(folder) / "mask.tif"
                predict(bundle, scene, shown)
            missing = "" if shown else '<p class="note">No mask was given, so the scene is shown alone: add --mask.</p>'
            sections = [Section("Map", missing + map_figure(map_view(scene, shown, roads, polygons)))]
    sections += _picture_sections(source, evaluation)
    sections += [_metrics_section(label, values, bundle) for label, values in evaluations.items()]
    sections += _training_sections(source)
    content = ReportContent(
        title=source.name,
        lead=_lead(bundle),
        headlines=_headlines(evaluations, _note(bundle)),
        sections=sections,
        footer=f"Made by Overland {__version__}.",
    )
    write_report(path, content, overwrite=overwrite)
    if picture is not None and scene is not None:
        write_map_picture(picture, scene, roads=roads, roads_before=roads_before, polygons=polygons)
    return ReportResult(
        report=path,
        picture=None if picture is None else Path(picture),
        sections=tuple(section.title for section in sections),
    )


@dataclass(frozen=True)
class _Source:
    name: str
    bundle: ModelBundle
    run: Path | None


def _source(path: Path) -> _Source:
    if (path / "weights" / "best").is_dir():
        return _Source(path.resolve().name, load_bundle(path / "weights" / "best"), path)
    bundle = load_bundle(path)
    run = path.resolve().parent.parent
    in_run = path.resolve().parent.name == "weights" and (run / "results.csv").is_file()
    return _Source(run.name if in_run else path.resolve().name, bundle, run if in_run else None)


def _note(bundle: ModelBundle) -> str:
    return _SYNTHETIC if bundle.data.get("synthetic") is True else ""


def _lead(bundle: ModelBundle) -> str:
    encoder = bundle.model.get("encoder_name")
    network = f"A {bundle.model.get('architecture', 'model')}{f' with {encoder}' if encoder else ''}"
    background = bundle.legend.background
    classes = [name for index, name in enumerate(bundle.legend.names) if index != background]
    shown = classes if len(classes) <= 3 else [*classes[:2], f"{len(classes) - 2} other classes"]
    listed = " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else shown[0]
    data = f", trained on {bundle.data['name']}" if bundle.data.get("name") else ""
    synthetic = f" ({_SYNTHETIC})" if _note(bundle) else ""
    return f"{network} that maps {listed}{data}{synthetic}."


def _evaluations(bundle: ModelBundle, evaluation: str | Path | None) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    if evaluation is not None:
        path = Path(evaluation) / "metrics.json"
        if not path.is_file():
            raise DataError(
                f"{evaluation} is no folder of an evaluation: it has no metrics.json. `overland evaluate` writes one."
            )
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise DataError(f"{path} cannot be read ({error}); evaluate again.") from error
        if not isinstance(values, dict) or "pooled" not in values:
            raise DataError(f"{path} does not hold what an evaluation writes; evaluate again.")
        parts = [values.get("dataset"), _SPLITS.get(str(values.get("split")), values.get("split"))]
        found[", ".join(str(part) for part in parts if part) or "labels"] = values
    for split, values in bundle.metrics.items():
        if isinstance(values, Mapping) and "classes" in values.get("pooled", values):
            found.setdefault(_SPLITS.get(split, split), values)
    return found


def _headlines(evaluations: Mapping[str, Mapping[str, Any]], note: str) -> str:
    means = {"miou": "Mean IoU", "miou_without_unknown": "Mean IoU without unknown"}
    html = ""
    for label, values in evaluations.items():
        scores = values.get("pooled", values)
        key = "iou" if "iou" in scores else "miou"
        score = values.get("headline") or {"key": key, "class": None, "value": scores.get(key)}
        metric = means.get(score["key"]) or (f"IoU of {score['class']}" if score["class"] else "IoU")
        count = f", {values['images']} {values.get('unit', 'image')}s" if "images" in values else ""
        html += headline(f"{metric}, pooled: {label}{count}", score, note)
    return html


def _metrics_section(label: str, values: Mapping[str, Any], bundle: ModelBundle) -> Section:
    note = _note(bundle)
    colors = dict(zip(bundle.legend.names, bundle.legend.colors, strict=True))
    html = "<h3>Pooled over all pixels</h3>" + class_table(values.get("pooled", values), colors, note)
    if "per_image" in values:
        unit = escape(str(values.get("unit", "image")))
        html += f"<h3>Mean over {unit}s in which the metric exists</h3>" + class_table(
            values["per_image"], colors, note
        )
    html += extra_scores_html(values)
    if "confusion" in values:
        names = values.get("class_names", bundle.legend.names)
        identifier = "".join(character if character.isalnum() else "-" for character in label)
        drawn = svg_from_figure(confusion_figure(np.array(values["confusion"]), names), identifier)
        caption = "Each row is one true class: where its pixels went."
        html += figure(drawn, f"{caption} Counted on {note}." if note else caption)
    return Section(f"Metrics: {label}", html)


def _picture_sections(source: _Source, evaluation: str | Path | None) -> list[Section]:
    places: list[Path] = [] if evaluation is None else [Path(evaluation) / "pictures.jpg"]
    if source.run is not None:
        places += [source.run / "val" / "pictures.jpg", source.run / "val_batch0_pred.jpg"]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        return []
    images = "Synthetic scenes: image" if _note(source.bundle) else "Image"
    caption = f"{images}, truth, prediction, probabilities where shown, and where truth and prediction differ."
    return [Section("Pictures", picture_from_bytes(path.read_bytes(), "jpeg", caption))]


def _training_sections(source: _Source) -> list[Section]:
    """Return the curves of the run, where there is one, and the data, the model and the versions."""
    bundle, sections = source.bundle, []
    if source.run is not None and (source.run / "results.csv").is_file():
        drawn = svg_from_figure(training_figure(read_results(source.run / "results.csv")), "curves")
        note = f" Metrics on {_SYNTHETIC}." if _note(bundle) else ""
        caption = f"Loss, metrics and learning rate after each epoch.{note}"
        sections.append(Section("Training", figure(drawn, caption)))
    resolution = f"{bundle.resolution_m:g} m" if bundle.resolution_m else "not known"
    model = {
        **bundle.model,
        "bands": bundle.bands,
        "pixel_type": bundle.dtype,
        "pixel_size": resolution,
        "chip_size": bundle.chip_size,
        "threshold": bundle.threshold,
        "mean": bundle.mean,
        "std": bundle.std,
    }
    licence = "" if {"license", "licence"} & set(bundle.data) else _NO_LICENCE
    settings = (
        f"<details><summary>All training settings</summary>{facts(bundle.training)}</details>"
        if bundle.training
        else ""
    )
    parts = [
        ("Data", facts(bundle.data) + licence),
        ("Model", facts(model) + settings),
        ("Versions", facts(bundle.versions)),
    ]
    return sections + [Section(title, html) for title, html in parts if html]
