"""Jobs and models as JSON: their state and their links, and nothing of where their files lie."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from overland.bundle import ModelBundle
from overland.result import plain
from overland.web.jobs.job import Job
from overland.web.sandbox.worker import DOWNLOADS

__all__ = ["FILES", "MADE_WITH_MAP", "MEDIA_TYPES", "job_view", "model_view", "summary_view"]

MADE_WITH_MAP = ("mask.tif", "probabilities.tif", "image.tif")
"""Files that a job has as soon as it is done."""
FILES = (*MADE_WITH_MAP, *DOWNLOADS)
"""Files of a job that can be fetched."""
MEDIA_TYPES = {
    "tif": "image/tiff",
    "png": "image/png",
    "geojson": "application/geo+json",
    "gpkg": "application/geopackage+sqlite3",
    "json": "application/json",
}
"""Media types by suffix."""
_SUMMARY = ("image", "class_fractions", "nodata_fraction", "areas", "megapixels", "seconds")


def summary_view(job: Job) -> dict[str, Any]:
    """Return the summary of a map: size and place of the image, fractions and areas of the classes.

    Args:
        job: A job that is done.
    """
    return {"model": job.record.model, **{name: plain(job.values.get(name)) for name in _SUMMARY}}


def job_view(job: Job, keep_s: float) -> dict[str, Any]:
    """Return a job's state, with links to the results that can be fetched.

    Args:
        job: The job.
        keep_s: How long it is kept after its end, in seconds.
    """
    record = job.record
    path = f"/v1/jobs/{job.id}"
    is_done = record.state == "done"
    names = [name for name in FILES if name != "probabilities.tif" or record.options.probabilities] if is_done else []
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
    """Return the facts of a model that a client needs.

    Args:
        name: Its name.
        bundle: The model.
    """
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


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
