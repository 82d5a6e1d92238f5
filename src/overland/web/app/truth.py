"""Labels that a user sends, and how well the map agrees with them."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any, BinaryIO

import streamlit as st

from overland.errors import DataError
from overland.result import plain
from overland.web.app.results import MappedImage, MapState
from overland.web.app.theme import plain_text, shown_errors
from overland.web.jobs.limits import Limits
from overland.web.refusals import TooSlowError, UnusableError
from overland.web.sandbox.hardening import worker_environment
from overland.web.sandbox.upload_check import receive
from overland.workflows.evaluate_map import evaluate_map

__all__ = ["compare_with_truth", "show_truth", "take_truth"]


def show_truth(state: MapState, limits: Limits) -> None:
    """Let the user send labels, and show the IoU of each class and the confusion of the classes.

    Args:
        state: The result as the controls show it.
        limits: Bounds of an upload and of the work on it.
    """
    file = st.file_uploader(
        "Labels of the same pixels",
        key=f"truth {state.result.name} {state.result.model}",
        max_upload_size=max(1, round(limits.max_bytes / 1e6)),
        help="Class ids, 0 and 255, or the colours of the legend; 255 and nodata are ignored.",
    )
    if file is None:
        st.html("<p class='caption'>PNG or GeoTIFF of the same size: ids, black and white, colours or a palette.</p>")
        return
    with shown_errors(), st.spinner("Comparing …"):
        path, notes = state.result.made.once(
            f"truth {file.file_id}", lambda: take_truth(state.result, file, file.file_id, limits)
        )
        values = state.result.made.once(f"metrics {file.file_id} {state.key}", lambda: compare_with_truth(state, path))
        for note in notes:
            st.info(plain_text(note), icon=":material/info:")
        _show_metrics(values, state)


def take_truth(result: MappedImage, file: BinaryIO, name: str, limits: Limits) -> tuple[Path, list[str]]:
    """Receive labels and have them read by a process of its own.

    Args:
        result: The result that they are for.
        file: The upload.
        name: A name that no other upload of the session has.
        limits: Bounds of an upload and of the work on it.

    Returns:
        The labels as a class map, and notes on what was decided by rule.

    Raises:
        RefusedError: The upload is no image, is too large, or takes too long.
        DataError: It holds no labels of these classes, or lies elsewhere.
    """
    upload, output = result.file(".upload", "labels", name), result.file(".tif", "labels", name)
    try:
        upload.unlink(missing_ok=True)
        file.seek(0)
        request = {
            "upload": str(upload),
            "driver": receive(file, upload, limits.max_bytes),
            "model": str(result.bundle.graph_path.parent),
            "mask": str(result.mask),
            "output": str(output),
            "memory_mb": limits.memory_mb,
        }
        return output, _asked(request, limits.timeout_s)
    finally:
        upload.unlink(missing_ok=True)


def compare_with_truth(state: MapState, truth: Path) -> dict[str, Any]:
    """Evaluate a class map.

    Args:
        state: The result as the controls show it.
        truth: Labels on its grid, as a class map.

    Returns:
        The result of `evaluate_map`, as plain values.
    """
    folder = state.result.file("", "metrics", str(truth.name), state.key)
    return dict(plain(evaluate_map(state.mask, truth, names=state.result.legend.names, output=folder, overwrite=True)))


def _asked(request: Mapping[str, Any], timeout_s: float) -> list[str]:
    try:
        done = subprocess.run(
            [sys.executable, "-m", "overland.web.app.truth_reader"],
            input=json.dumps(request),
            capture_output=True,
            encoding="utf-8",
            env=worker_environment(),
            timeout=timeout_s,
            check=False,
        )
        answer = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        raise TooSlowError("Reading the labels took longer than is allowed here.") from None
    except ValueError:
        raise UnusableError("The file is damaged or needs too much memory.", title="Labels cannot be read") from None
    if "error" in answer:
        raise DataError(str(answer["error"]))
    return [str(note) for note in answer["notes"]]


def _show_metrics(values: Mapping[str, Any], state: MapState) -> None:
    pooled = values["pooled"]
    left, right = st.columns([2, 3], gap="large")
    headline = values["headline"]
    with left:
        metric = f"IoU of {headline['class']}" if headline.get("class") else "Mean IoU"
        st.metric(plain_text(metric), _percent(headline["value"]))
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td>{_percent(found['iou'])}</td><td>{_percent(found['precision'])}</td>"
            f"<td>{_percent(found['recall'])}</td></tr>"
            for name, found in pooled["classes"].items()
        )
        head = "<tr><th>Class</th><th>IoU</th><th>Precision</th><th>Recall</th></tr>"
        st.html(f"<div class='scroll'><table class='areas'>{head}{rows}</table></div>")
    with right:
        names = state.result.legend.names
        head = "".join(f"<th>{escape(name)}</th>" for name in names)
        rows = ""
        for name, counts in zip(names, values["confusion"], strict=True):
            total = sum(counts)
            cells = [
                f"<td class='cell' style='background:color-mix(in srgb, #4fb8a8 {count / total:.0%}, transparent)'>"
                f"{count / total:.1%}</td>"
                if total
                else "<td class='cell'>–</td>"
                for count in counts
            ]
            rows += f"<tr><td>{escape(name)}</td>{''.join(cells)}</tr>"
        title = "<p class='caption'>Pixels of each class of the labels (rows) by their class on the map (columns)</p>"
        table = f"<table class='areas'><tr><th></th>{head}</tr>{rows}</table>"
        st.html(f"{title}<div class='scroll'>{table}</div>")


def _percent(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.1%}"
