"""Train as a SageMaker job: configuration and channels in, a model, metric lines and figures out."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from overland.config import load_yaml, train_config_from_source
from overland.datasets import Dataset, dataset_from_path
from overland.errors import OverlandError, UsageError
from overland.training.callbacks import read_history
from overland.workflows.sagemaker.annotations import check_annotations, check_num_classes
from overland.workflows.sagemaker.handover import hand_over_bundle, hand_over_figures, reason_kept_in
from overland.workflows.sagemaker.hyperparameters import JobSettings, settings_from_hyperparameters
from overland.workflows.sagemaker.job import Job, read_job
from overland.workflows.sagemaker.metrics import MetricLines, print_metrics_of
from overland.workflows.sagemaker.stopping import StopRequest, interrupted_at_sigterm, time_limit
from overland.workflows.train import train

__all__ = ["train_job"]

logger = logging.getLogger("overland")

# SageMaker kills the container 120 s after SIGTERM; the last of them are for copying the model.
_STOP_WITHIN_S = 100.0
_CHECKPOINTS = ("last.ckpt", "best.ckpt")


def train_job(root: str | Path, environ: Mapping[str, str], say: Callable[[str], None]) -> dict[str, Any]:
    """Run the training job under `root` (/opt/ml in a container); `say` gets each metric line.

    A job whose checkpoints folder holds a run goes on with it. At SIGTERM the last checkpoint stays there and the best
    epoch so far becomes the model, within 120 s. Returns the paths written, `stopped`, and the validation scores.
    Whatever is wrong is raised as an `OverlandError` and kept in `output/failure`.
    """
    root = Path(root)
    with reason_kept_in(root), interrupted_at_sigterm() as stop:
        job = read_job(root, environ)
        try:
            return _train(job, _checked_settings(job), MetricLines(job.host, say))
        except KeyboardInterrupt:
            if stop.asked_at is None:
                raise
            return _stop(job, stop)


def _checked_settings(job: Job) -> JobSettings:
    settings = settings_from_hyperparameters(job.hyperparameters)
    for note in settings.notes:
        logger.info("%s", note)
    if job.has_four_channels:
        check_annotations(job.data, settings.num_classes)
    dataset = dataset_from_path(job.data)
    check_num_classes(dataset, settings.num_classes)
    _compare_samples(dataset, settings.num_training_samples)
    return settings


def _compare_samples(dataset: Dataset, said: int | None) -> None:
    found = len(dataset.splits.get("train", ()))
    if said is not None and said != found:
        logger.warning("num_training_samples is %d, and there are %d training images; the images count.", said, found)


def _train(job: Job, settings: JobSettings, lines: MetricLines) -> dict[str, Any]:
    job.checkpoints.mkdir(parents=True, exist_ok=True)
    with print_metrics_of(job.run / "results.csv", lines):
        result = _train_or_resume(job, settings)
    lines.final(result["val"])
    hand_over_bundle(Path(result["model"]), job.model_dir)
    hand_over_figures(Path(result["run"]), job.output_dir)
    return _values(job, stopped=False, val=result["val"])


def _train_or_resume(job: Job, settings: JobSettings) -> dict[str, Any]:
    given = _given(job, settings)
    if not (job.run / "weights" / "last.ckpt").is_file():
        # What an attempt left that was cut off in its first epoch is written over.
        return train(job.data, settings.recipe, **given)
    _refuse_other_settings(job, settings.recipe, given)
    logger.info("Going on with the run in %s.", job.run)
    return train(resume=job.run)


def _given(job: Job, settings: JobSettings) -> dict[str, Any]:
    place = {"project": str(job.checkpoints), "name": job.run.name, "exist_ok": True}
    weights = {"encoder_weights": str(job.encoder_weights)} if job.encoder_weights else {}
    return {**settings.settings, **weights, **place}


def _refuse_other_settings(job: Job, recipe: str, given: Mapping[str, Any]) -> None:
    now = train_config_from_source(recipe, given).to_dict()
    before = load_yaml(job.run / "args.yaml")
    changed = [f"{name} was {before.get(name)}, is {value}" for name, value in now.items() if before.get(name) != value]
    if changed:
        raise UsageError(
            f"The checkpoints in {job.run} are of a run with other settings: {'; '.join(changed)}. "
            "Give the job a checkpoint_s3_uri of its own, or the hyperparameters of that run."
        )


def _stop(job: Job, stop: StopRequest) -> dict[str, Any]:
    """Make a model of the best epoch so far, in the time that SageMaker leaves."""
    logger.info("SIGTERM: the run is kept in %s.", job.run)
    with tempfile.TemporaryDirectory(prefix="overland-stop-") as folder:
        bundle = _bundle_so_far(job, Path(folder) / "run", stop)
        if bundle is not None:
            hand_over_bundle(bundle, job.model_dir)
    if job.run.is_dir():
        hand_over_figures(job.run, job.output_dir)
    return _values(job, stopped=True, has_model=bundle is not None)


def _bundle_so_far(job: Job, copy: Path, stop: StopRequest) -> Path | None:
    made = job.run / "weights" / "best"
    if (made / "overland.json").is_file():
        return made
    epochs = _epochs_kept(job.run)
    if not epochs:
        logger.info("No epoch was done yet, so there is no model.")
        return None
    _copy_as_done(job.run, copy, epochs)
    try:
        with time_limit(stop.left_s(_STOP_WITHIN_S)):
            train(resume=copy)
    except (TimeoutError, OverlandError) as error:
        logger.warning("The model was not scored: %s.", str(error).rstrip("."))
    bundle = copy / "weights" / "best"
    return bundle if (bundle / "overland.json").is_file() else None


def _epochs_kept(run: Path) -> int:
    """How many epochs the last checkpoint holds; it is written right after the epoch's row in results.csv."""
    results, checkpoint = run / "results.csv", run / "weights" / "last.ckpt"
    if not checkpoint.is_file():
        return 0
    last_row = int(read_history(results)[-1]["epoch"])
    return last_row if checkpoint.stat().st_mtime_ns >= results.stat().st_mtime_ns else last_row - 1


def _copy_as_done(run: Path, copy: Path, epochs: int) -> None:
    """A run of as many epochs as were done: resumed, it has nothing left but to make and score its model."""
    (copy / "weights").mkdir(parents=True)
    for name in _CHECKPOINTS:
        (copy / "weights" / name).symlink_to((run / "weights" / name).resolve())
    shutil.copyfile(run / "results.csv", copy / "results.csv")
    values = {**load_yaml(run / "args.yaml"), "epochs": epochs, "minutes": 0.0}
    (copy / "args.yaml").write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")


def _values(job: Job, *, stopped: bool, has_model: bool = True, val: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {
        "model": str(job.model_dir) if has_model else None,
        "output": str(job.output_dir),
        "run": str(job.run),
        "stopped": stopped,
        "val": val,
    }
