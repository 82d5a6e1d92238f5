"""Jobs and models as JSON: what is told, and nothing of where it lies."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from overland.bundle import ModelBundle
from overland.web.jobs.job import Job
from overland.web.jobs.limits import RefusedError
from overland.web.sandbox.worker import PRODUCTS

__all__ = [
    "FILES",
    "MEDIA_TYPES",
    "job_view",
    "model_view",
    "plain",
    "preferred_type",
    "summary_view",
]


# Which representation a client wants, by its Accept header.


def preferred_type(accept: str, offered: Sequence[str]) -> str:
    """The offered media type that an Accept header likes best; the first of equals, the first of all without one.

    Raises `RefusedError` 406 when it accepts none of them. Source: RFC 9110, 12.5.1.
    """
    ranges = [_parsed(part) for part in accept.split(",") if part.strip()] or [("*/*", 1.0)]
    best = max(offered, key=lambda media_type: _quality(media_type, ranges))
    if _quality(best, ranges) <= 0:
        raise RefusedError(406, "Not acceptable", f"This is offered as {', '.join(offered)}.")
    return best


def _parsed(part: str) -> tuple[str, float]:
    media_range, *parameters = (item.strip() for item in part.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return media_range.lower(), float(value)
            except ValueError:
                return media_range.lower(), 0.0
    return media_range.lower(), 1.0


def _quality(media_type: str, ranges: Sequence[tuple[str, float]]) -> float:
    # The most specific range that fits decides.
    for wanted in (media_type, f"{media_type.partition('/')[0]}/*", "*/*"):
        for media_range, quality in ranges:
            if media_range == wanted:
                return quality
    return 0.0


FILES = ("mask.tif", "scores.tif", "image.tif", *PRODUCTS)
MEDIA_TYPES = {
    "tif": "image/tiff",
    "png": "image/png",
    "geojson": "application/geo+json",
    "gpkg": "application/geopackage+sqlite3",
    "json": "application/json",
}
_SUMMARY = ("image", "class_fractions", "nodata_share", "areas", "megapixels", "seconds")


def summary_view(job: Job) -> dict[str, Any]:
    """What a map says: size and place of the image, shares and areas of the classes."""
    return {"model": job.record.model, **{name: plain(job.values.get(name)) for name in _SUMMARY}}


def job_view(job: Job, keep_s: float) -> dict[str, Any]:
    """A job's state, with links to what can be fetched."""
    record = job.record
    path = f"/v1/jobs/{job.id}"
    is_done = record.state == "done"
    names = [name for name in FILES if name != "scores.tif" or record.options.scores] if is_done else []
    links = {name: f"{path}/{name}" for name in names}
    if is_done and job.values["image"]["crs"] is not None:
        links["tiles"] = f"{path}/cog/tiles/WebMercatorQuad/{{z}}/{{x}}/{{y}}.png"
        links["info"] = f"{path}/cog/info"
    return {
        "id": job.id,
        "state": record.state,
        "progress": round(job.progress, 4),
        "model": record.model,
        "filename": record.filename,
        "created": _time(record.created_s),
        "ended": _time(record.ended_s),
        "expires": _time(None if record.ended_s is None else record.ended_s + keep_s),
        "error": record.error,
        "summary": summary_view(job) if is_done else None,
        "links": {"self": path, **links},
    }


def model_view(name: str, bundle: ModelBundle) -> dict[str, Any]:
    """What a client needs to know of a model."""
    legend = bundle.legend
    classes = [
        {"id": index, "name": class_name, "color": "#{:02x}{:02x}{:02x}".format(*color)}
        for index, (class_name, color) in enumerate(zip(legend.names, legend.colors, strict=True))
    ]
    return {
        "name": name,
        "classes": classes,
        "nodata": legend.ignore_index,
        "bands": bundle.in_channels,
        "dtype": bundle.dtype,
        "resolution_m": bundle.resolution_m,
        "threshold": bundle.threshold,
        "links": {"self": f"/v1/models/{name}"},
    }


def plain(value: Any) -> Any:
    """The value for JSON, which has no NaN: a figure that does not exist is null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
