"""The report as one HTML file with everything in it, which opens anywhere and asks no server for anything.

Its pieces, tables, facts, pictures and figures, are functions that return HTML; every inserted text is escaped.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from PIL import Image

from overland.errors import UsageError
from overland.output import check_output, write_text

__all__ = [
    "ReportContent",
    "Section",
    "class_table",
    "data_uri",
    "extra_scores_html",
    "facts",
    "figure",
    "format_score",
    "headline",
    "picture",
    "picture_from_bytes",
    "write_report",
]


_COLUMNS = {"iou": "IoU", "f1": "F1", "precision": "Precision", "recall": "Recall", "accuracy": "Accuracy"}
_LONGEST_LIST = 12


def format_score(value: float | None) -> str:
    """Return a metric with three decimals, a dash where it does not exist.

    Args:
        value: The metric; None or NaN where it does not exist.
    """
    return "–" if value is None or not math.isfinite(value) else f"{value:.3f}"


def headline(label: str, values: Mapping[str, Any], note: str = "") -> str:
    """Return a metric in large type with its interval, as a number and on a scale from 0 to 1.

    Args:
        label: Name of the metric.
        values: `value`, and where known `low`, `high` and `confidence`.
        note: Badge after the label; "" for none.
    """
    value, low, high = (values.get(key) for key in ("value", "low", "high"))
    known = [end for end in (low, high) if end is not None and math.isfinite(end)]
    interval = scale = ""
    if len(known) == 2:
        confidence = f"{values.get('confidence', 0.95):.0%}"
        interval = f'<p class="interval">{confidence} interval {known[0]:.3f} to {known[1]:.3f}</p>'
        scale = f'<i style="left:{known[0]:.2%};width:{known[1] - known[0]:.2%}"></i>'
    mark = "" if value is None or not math.isfinite(value) else f'<b style="left:{value:.2%}"></b>'
    return (
        f'<div class="headline"><p class="label">{escape(label)}{_badge(note)}</p>'
        f'<p class="value">{format_score(value)}</p>{interval}<div class="scale">{scale}{mark}</div></div>'
    )


def class_table(scores: Mapping[str, Any], colors: Mapping[str, Sequence[int]], note: str = "") -> str:
    """Return a table of the metrics of each class, with a bar for the IoU and the means below.

    Args:
        scores: `classes`, the metrics of each class by its name, and the means.
        colors: Colour of each class by its name.
        note: Badge in the head of the table; "" for none.
    """
    has_support = any("support" in row for row in scores["classes"].values())
    heads = "".join(f"<th>{title}</th>" for title in _COLUMNS.values()) + ("<th>Pixels</th>" if has_support else "")
    rows = ""
    for name, row in scores["classes"].items():
        color = colors.get(name)
        swatch = "" if color is None else f'<i class="swatch" style="background:rgb({",".join(map(str, color))})"></i>'
        iou = row.get("iou")
        filled = iou if iou is not None and math.isfinite(iou) else 0
        cells = [f'<td class="bar" style="--filled:{filled:.1%}">{format_score(iou)}</td>']
        cells += [f"<td>{format_score(row.get(key))}</td>" for key in _COLUMNS if key != "iou"]
        if has_support:
            cells.append(f"<td>{row.get('support', 0):,}</td>")
        rows += f"<tr><th>{swatch}{escape(name)}</th>{''.join(cells)}</tr>"
    means = [("Mean IoU", "miou"), ("Pixel accuracy", "pixel_accuracy")]
    if len(scores["classes"]) > 2:
        means.insert(1, ("Mean IoU without background", "miou_without_background"))
    if "miou_without_unknown" in scores:
        means.insert(-1, ("Mean IoU without unknown", "miou_without_unknown"))
    items = "".join(f"<span>{title} <b>{format_score(scores.get(key))}</b></span>" for title, key in means)
    return (
        f'<div class="scroll"><table><thead><tr><th>Class{_badge(note)}</th>{heads}</tr></thead>'
        f'<tbody>{rows}</tbody></table></div><p class="means">{items}</p>'
    )


def facts(values: Mapping[str, Any]) -> str:
    """Return names and values as a list of definitions.

    Args:
        values: The values by their names; nested ones are written out, empty ones left out.
    """
    items = "".join(f"<div><dt>{escape(key)}</dt><dd>{escape(value)}</dd></div>" for key, value in _flat(values))
    return f'<dl class="facts">{items}</dl>' if items else ""


def figure(svg: str, caption: str = "") -> str:
    """Return a drawn figure with its caption.

    Args:
        svg: The figure as SVG.
        caption: Text below it.
    """
    return f'<figure class="drawn"><div class="scroll">{svg}</div>{_caption(caption)}</figure>'


def picture(image: Image.Image, caption: str = "") -> str:
    """Return an embedded picture with its caption.

    Args:
        image: The picture.
        caption: Text below it.
    """
    return f'<figure><img class="paper" src="{data_uri(image)}" alt="{escape(caption)}">{_caption(caption)}</figure>'


def picture_from_bytes(data: bytes, kind: str, caption: str) -> str:
    """Return the bytes of a picture file, embedded as they are.

    Args:
        data: The file.
        kind: "png" or "jpeg".
        caption: Text below it.
    """
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    image = f'<img class="paper wide" src="{source}" alt="{escape(caption)}">'
    return f'<figure><div class="scroll">{image}</div>{_caption(caption)}</figure>'


def data_uri(image: Image.Image) -> str:
    """Return an image as text to stand in a page: PNG where it is transparent in places, JPEG otherwise.

    Args:
        image: The image.
    """
    buffer = io.BytesIO()
    if image.mode == "RGBA":
        image.save(buffer, format="PNG", optimize=True)
        kind = "png"
    else:
        image.convert("RGB").save(buffer, format="JPEG", quality=86)
        kind = "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        name = f"{prefix}{str(key).replace('_', ' ')}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}, ")
        elif value is not None and value != "" and value != [] and value != ():
            yield name, _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        more = f", … ({len(value)})" if len(value) > _LONGEST_LIST else ""
        return ", ".join(_plain(item) for item in value[:_LONGEST_LIST]) + more
    return str(value)


def _badge(note: str) -> str:
    return f' <span class="badge">{escape(note)}</span>' if note else ""


def _caption(caption: str) -> str:
    return f"<figcaption>{escape(caption)}</figcaption>" if caption else ""


_TITLES = {"roads": "Lines in masks, pooled", "boundary": "Boundary IoU, pooled", "patches": "Patches, pooled"}


def extra_scores_html(values: Mapping[str, Any]) -> str:
    """Return the metrics of lines, outlines and patches as lists under their titles.

    Args:
        values: The values of an evaluation; of the blocks `roads`, `boundary` and `patches` those that it has.
    """
    found = [(title, values[block]) for block, title in _TITLES.items() if block in values]
    return "".join(f"<h3>{escape(title)}</h3>{facts(_shown(block))}" for title, block in found)


def _shown(block: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for key, value in block.items():
        if key == "averaging":
            continue
        if isinstance(value, Mapping):
            shown[key] = _shown(value)
        else:
            shown[key] = format_score(value) if isinstance(value, float) or value is None else value
    return shown


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Args:
        title: Its title, not escaped yet.
        html: Its content, finished.
    """

    title: str
    html: str


@dataclass(frozen=True)
class ReportContent:
    """The content of the page.

    Args:
        title: Title, not escaped yet.
        lead: A sentence below it, not escaped yet.
        headlines: The metrics to quote, as HTML.
        sections: The parts.
        footer: A line at the end, not escaped yet.
    """

    title: str
    lead: str
    headlines: str
    sections: Sequence[Section]
    footer: str


def write_report(path: str | Path, content: ReportContent, *, overwrite: bool = False) -> None:
    """Write the page, whole or not at all.

    Args:
        path: The file.
        content: What stands on the page.
        overwrite: Whether a file that exists is replaced.

    Raises:
        UsageError: The file exists and may not be replaced, or is a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name a file such as {path / 'report.html'}.")
    check_output(path, suffixes=(path.suffix.lower(),), overwrite=overwrite)
    template = Template(resources.files("overland.reporting").joinpath("page.html").read_text(encoding="utf-8"))
    page = template.substitute(
        title=escape(content.title),
        lead=escape(content.lead),
        headlines=content.headlines,
        sections="\n".join(
            f"<section>\n<h2>{escape(section.title)}</h2>\n{section.html}\n</section>" for section in content.sections
        ),
        footer=escape(content.footer),
    )
    write_text(path, page)
