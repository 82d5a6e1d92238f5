"""Pieces of the page: tables, facts, pictures and figures as HTML, every inserted text escaped."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from PIL import Image

__all__ = ["class_table", "data_uri", "facts", "figure", "format_score", "headline", "picture", "picture_from_bytes"]

_COLUMNS = {"iou": "IoU", "f1": "F1", "precision": "Precision", "recall": "Recall", "accuracy": "Accuracy"}
_LONGEST_LIST = 12


def format_score(value: float | None) -> str:
    """A score with three decimals, a dash where it does not exist."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.3f}"


def headline(label: str, values: Mapping[str, Any], note: str = "") -> str:
    """A score in large type with its interval, as a number and on a scale from 0 to 1."""
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
    """Scores of each class, and the means below, with a bar for the IoU."""
    has_support = any("support" in row for row in scores["classes"].values())
    heads = "".join(f"<th>{title}</th>" for title in _COLUMNS.values()) + ("<th>Pixels</th>" if has_support else "")
    rows = "".join(_class_row(name, row, colors.get(name), has_support) for name, row in scores["classes"].items())
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
    """Names and values as a list of definitions; nested ones are written out, empty ones left out."""
    items = "".join(f"<div><dt>{escape(key)}</dt><dd>{escape(value)}</dd></div>" for key, value in _flat(values))
    return f'<dl class="facts">{items}</dl>' if items else ""


def figure(svg: str, caption: str = "") -> str:
    """A drawn figure with its caption."""
    return f'<figure class="drawn"><div class="scroll">{svg}</div>{_caption(caption)}</figure>'


def picture(image: Image.Image, caption: str = "") -> str:
    """A picture, embedded, with its caption."""
    return f'<figure><img class="paper" src="{data_uri(image)}" alt="{escape(caption)}">{_caption(caption)}</figure>'


def picture_from_bytes(data: bytes, kind: str, caption: str) -> str:
    """The bytes of a picture file of a kind, "png" or "jpeg", embedded as they are."""
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    image = f'<img class="paper wide" src="{source}" alt="{escape(caption)}">'
    return f'<figure><div class="scroll">{image}</div>{_caption(caption)}</figure>'


def data_uri(image: Image.Image) -> str:
    """An image as text to stand in a page: PNG where it is transparent in places, JPEG otherwise."""
    buffer = io.BytesIO()
    if image.mode == "RGBA":
        image.save(buffer, format="PNG", optimize=True)
        kind = "png"
    else:
        image.convert("RGB").save(buffer, format="JPEG", quality=86)
        kind = "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _class_row(name: str, row: Mapping[str, Any], color: Sequence[int] | None, has_support: bool) -> str:
    swatch = "" if color is None else f'<i class="swatch" style="background:rgb({",".join(map(str, color))})"></i>'
    iou = row.get("iou")
    share = iou if iou is not None and math.isfinite(iou) else 0
    cells = [f'<td class="bar" style="--share:{share:.1%}">{format_score(iou)}</td>']
    cells += [f"<td>{format_score(row.get(key))}</td>" for key in _COLUMNS if key != "iou"]
    if has_support:
        cells.append(f"<td>{row.get('support', 0):,}</td>")
    return f"<tr><th>{swatch}{escape(name)}</th>{''.join(cells)}</tr>"


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
