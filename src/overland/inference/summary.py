"""What predict reports: plain values for JSON, of a run and of a dry run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.inference.ensemble import Ensemble
from overland.inference.machine import peak_memory_mb
from overland.inference.scene_run import SceneResult, output_bytes
from overland.inference.scene_task import SceneRun
from overland.legend import Legend

__all__ = ["dry_run_summary", "run_summary"]


def run_summary(
    ensemble: Ensemble, jobs: list[SceneRun], results: list[SceneResult], output: str | Path, seconds: float
) -> dict[str, Any]:
    """What a prediction did. The rate counts what was computed now, not what an earlier run had left."""
    legend = ensemble.bundle.legend
    scenes = [
        _job_values(job) | {"resumed_at_row": result.resumed_at_row} | _shares(legend, result.counts)
        for job, result in zip(jobs, results, strict=True)
    ]
    resumed = [result.resumed_at_row for result in results if result.resumed_at_row is not None]
    return {
        "output": str(output),
        **_plan_values(jobs, ensemble),
        "seconds": round(seconds, 3),
        "mpx_per_s": round(sum(result.computed_megapixels for result in results) / seconds, 3),
        "peak_memory_mb": peak_memory_mb(),
        "resumed_at_row": resumed[-1] if resumed else None,
        **_shares(legend, np.sum([result.counts for result in results], axis=0)),
        "scenes": scenes,
    }


def dry_run_summary(ensemble: Ensemble, jobs: list[SceneRun], output: str | Path, seconds: float) -> dict[str, Any]:
    """What a prediction would do and take; `seconds` come from a probe."""
    return {
        "dry_run": True,
        "output": str(output),
        **_plan_values(jobs, ensemble),
        "output_mb_at_most": round(sum(_output_bytes(ensemble, job) for job in jobs) / 1e6, 1),
        "memory_mb": round(max(job.memory_mb for job in jobs), 1),
        "seconds": round(seconds, 3),
        "mpx_per_s": round(sum(job.megapixels for job in jobs) / seconds, 3),
        "scenes": [_job_values(job) for job in jobs],
    }


def _plan_values(jobs: list[SceneRun], ensemble: Ensemble) -> dict[str, Any]:
    megapixels = sum(job.megapixels for job in jobs)
    return {
        **ensemble.facts,
        "windows": sum(job.windows for job in jobs),
        "megapixels": round(megapixels, 6),
        "redundancy": round(sum(job.model_megapixels for job in jobs) / megapixels, 3),
    }


def _job_values(job: SceneRun) -> dict[str, Any]:
    return {
        "input": job.source,
        "output": str(job.mask),
        **{kind: str(job.outputs[kind]) if kind in job.outputs else None for kind in ("scores", "confidence")},
        "bands": list(job.bands),
        "height": job.grid.height,
        "width": job.grid.width,
        "windows": job.windows,
        "chip_size": [job.plan.rows.chip, job.plan.cols.chip],
        "overlap": 2 * job.plan.rows.halo,
        "redundancy": round(job.model_megapixels / job.megapixels, 3),
        "resampled_to": None if job.resampling is None else [job.resampling.rows.size, job.resampling.cols.size],
    }


def _output_bytes(ensemble: Ensemble, job: SceneRun) -> int:
    pixels = job.grid.height * job.grid.width
    return sum(output_bytes(kind, ensemble.bundle, pixels) for kind in job.outputs)


def _shares(legend: Legend, counts: npt.NDArray[np.int64]) -> dict[str, Any]:
    valid = int(counts[: legend.num_classes].sum())
    shares = {name: round(int(counts[index]) / valid, 6) if valid else None for index, name in enumerate(legend.names)}
    return {"class_fractions": shares, "nodata_share": round(1 - valid / int(counts.sum()), 6)}
