"""What predict reports: plain values for JSON, of a run and of a dry run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.bundle import ModelBundle
from overland.inference import Engine
from overland.inference.machine import peak_memory_mb
from overland.legend import Legend
from overland.workflows.predict_jobs import PredictJob

__all__ = ["dry_run_summary", "run_summary"]


def run_summary(
    bundle: ModelBundle,
    engine: Engine,
    jobs: list[PredictJob],
    counts: list[npt.NDArray[np.int64]],
    output: str | Path,
    seconds: float,
) -> dict[str, Any]:
    """What a prediction did; `counts` are the pixels of each mask value for each job."""
    megapixels = sum(job.plan.megapixels for job in jobs)
    scenes = [_job_values(job) | _shares(bundle.legend, count) for job, count in zip(jobs, counts, strict=True)]
    return {
        "output": str(output),
        **_plan_values(jobs, engine),
        "seconds": round(seconds, 3),
        "mpx_per_s": round(megapixels / seconds, 3),
        "peak_memory_mb": peak_memory_mb(),
        **_shares(bundle.legend, np.sum(counts, axis=0)),
        "scenes": scenes,
    }


def dry_run_summary(
    bundle: ModelBundle, engine: Engine, jobs: list[PredictJob], output: str | Path, seconds: float
) -> dict[str, Any]:
    """What a prediction would do and take; `seconds` and the memory of the engine come from its probe."""
    buffers_mb = max(job.buffer_bytes(bundle.num_scores) for job in jobs) / 1e6
    used_mb = peak_memory_mb()
    return {
        "dry_run": True,
        "output": str(output),
        **_plan_values(jobs, engine),
        "output_mb_at_most": round(sum(job.output_bytes(bundle.num_scores) for job in jobs) / 1e6, 1),
        "memory_mb": None if used_mb is None else round(used_mb + buffers_mb, 1),
        "seconds": round(seconds, 3),
        "mpx_per_s": round(sum(job.plan.megapixels for job in jobs) / seconds, 3),
        "scenes": [_job_values(job) for job in jobs],
    }


def _plan_values(jobs: list[PredictJob], engine: Engine) -> dict[str, Any]:
    megapixels = sum(job.plan.megapixels for job in jobs)
    model_megapixels = sum(job.plan.megapixels * job.plan.redundancy for job in jobs)
    return {
        "engine": engine.name,
        "windows": sum(job.plan.windows for job in jobs),
        "megapixels": round(megapixels, 6),
        "redundancy": round(model_megapixels / megapixels, 3),
    }


def _job_values(job: PredictJob) -> dict[str, Any]:
    return {
        "input": job.source,
        "output": str(job.output),
        "scores": None if job.scores is None else str(job.scores),
        "bands": list(job.bands),
        "height": job.plan.rows.length,
        "width": job.plan.cols.length,
        "windows": job.plan.windows,
        "chip_size": [job.plan.rows.chip, job.plan.cols.chip],
        "overlap": 2 * job.plan.rows.halo,
        "redundancy": round(job.plan.redundancy, 3),
    }


def _shares(legend: Legend, counts: npt.NDArray[np.int64]) -> dict[str, Any]:
    valid = int(counts[: legend.num_classes].sum())
    shares = {name: round(int(counts[index]) / valid, 6) if valid else None for index, name in enumerate(legend.names)}
    return {"class_shares": shares, "nodata_share": round(1 - valid / int(counts.sum()), 6)}
