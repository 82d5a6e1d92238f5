"""Train as a SageMaker job: configuration and channels in, a model, metric lines and figures out.

A metric line has the form of SageMaker's built-in semantic segmentation, which its metric definitions read:
`[11/21/2026 14:00:00 INFO 140] #quality_metric. host: algo-1, epoch: 0, validation mIOU: 0.51 .`; epochs count from 0.
"""

from __future__ import annotations

import logging
import math
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from overland.datasets import read_dataset
from overland.errors import OverlandError, UsageError
from overland.result import Result
from overland.sagemaker.annotations import check_annotations, check_num_classes
from overland.sagemaker.hyperparameters import JobSettings, settings_from_hyperparameters
from overland.sagemaker.job import Job, StopRequest, interrupted_at_sigterm, read_job, time_limit
from overland.training.run_folder import copy_run, read_history, read_run
from overland.training.settings import train_settings_from_source
from overland.workflows.train import TrainResult, train

__all__ = [
    "MetricLines",
    "TrainJobResult",
    "hand_over_bundle",
    "hand_over_figures",
    "print_metrics_of",
    "reason_kept_in",
    "train_job",
]

logger = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.5
_REASON_CHARACTERS = 1024
_SETTINGS = "overland.json"
# SageMaker kills the container 120 s after SIGTERM; the last of them are for copying the model.
_STOP_WITHIN_S = 100.0
# Columns of results.csv, and the names of the metric lines for them.
_NAMES = {
    "train/loss": "train loss",
    "val/loss": "validation loss",
    "val/iou": "validation IOU",
    "val/pixel_accuracy": "validation pixel_accuracy",
    "val/miou": "validation mIOU",
}


@dataclass(frozen=True)
class TrainJobResult(Result):
    """Folders that a job has written, and the scores of its model.

    Args:
        model: Folder of the model; None where the job was stopped in its first epoch.
        output: Folder of figures and tables.
        run: Folder of the run, with its checkpoints.
        stopped: Whether the job was stopped by SIGTERM.
        val: Scores on the validation images; None where the job was stopped.
    """

    model: str | None
    output: str
    run: str
    stopped: bool
    val: Mapping[str, Any] | None = None


class MetricLines:
    """Scores as metric lines, each epoch once.

    Args:
        host: Name of the host.
        say: Takes each line.
    """

    def __init__(self, host: str, say: Callable[[str], None]) -> None:
        self._host = host
        self._say = say
        self.epochs = 0

    def row(self, row: Mapping[str, float]) -> None:
        """Say the scores of an epoch.

        Args:
            row: A row of results.csv.
        """
        self.epochs = int(row["epoch"])
        for key, name in _NAMES.items():
            if key in row:
                self._line(name, row[key])

    def final(self, pooled: Mapping[str, Any]) -> None:
        """Say the scores of the model that is handed over.

        Args:
            pooled: Its scores over all validation pixels.
        """
        for key, name in (("pixel_accuracy", "validation pixel_accuracy"), ("miou", "validation mIOU")):
            self._line(name, pooled[key])

    def _line(self, name: str, value: float) -> None:
        if math.isfinite(value):
            epoch = max(0, self.epochs - 1)
            stamp = f"[{time.strftime('%m/%d/%Y %H:%M:%S')} INFO {threading.get_ident()}]"
            self._say(f"{stamp} #quality_metric. host: {self._host}, epoch: {epoch}, {name}: {value:g} .")


@contextmanager
def print_metrics_of(results: Path, lines: MetricLines) -> Iterator[None]:
    """Say every row that is added to a results.csv while the block runs; those that are there already were said.

    Args:
        results: The file.
        lines: Says the rows.
    """
    lines.epochs = max((int(row["epoch"]) for row in read_history(results)), default=0)
    stop = threading.Event()

    def say_new_rows() -> None:
        for row in read_history(results):
            if row["epoch"] > lines.epochs:
                lines.row(row)

    def look() -> None:
        while not stop.wait(_LOOK_EVERY_S):
            say_new_rows()

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        say_new_rows()


def hand_over_bundle(bundle: Path, model_dir: Path) -> None:
    """Copy the files of a bundle into a folder that is there already (SageMaker mounts it and packs what it holds).

    The file that makes a folder a bundle comes last, so that a copy that was cut off is none.

    Args:
        bundle: Folder of the bundle.
        model_dir: Folder that gets its files.
    """
    model_dir.mkdir(parents=True, exist_ok=True)
    (model_dir / _SETTINGS).unlink(missing_ok=True)
    for path in sorted(bundle.iterdir(), key=lambda path: path.name == _SETTINGS):
        _copy(path, model_dir / path.name)


def hand_over_figures(run: Path, output_dir: Path) -> None:
    """Copy the tables and figures of a run, and the scores of its validation, to a folder.

    Args:
        run: Folder of the run.
        output_dir: Folder that gets the files.
    """
    output_dir.mkdir(parents=True, exist_ok=True)
    files = [path for path in sorted(run.iterdir()) if path.is_file() and path.suffix != ".part"]
    for path in files:
        _copy(path, output_dir / path.name)
    scores = run / "val" / "metrics.json"
    if scores.is_file():
        _copy(scores, output_dir / "metrics.json")


@contextmanager
def reason_kept_in(root: Path) -> Iterator[None]:
    """Write the reason why the block failed to `output/failure`, from where SageMaker shows it; the error passes on.

    Args:
        root: Folder of the job.
    """
    failure = root / "output" / "failure"
    failure.unlink(missing_ok=True)
    try:
        yield
    except Exception as error:
        reason = str(error) if isinstance(error, OverlandError) else f"{type(error).__name__}: {error}"
        if root.is_dir():
            try:
                failure.parent.mkdir(exist_ok=True)
                failure.write_text(reason[:_REASON_CHARACTERS], encoding="utf-8")
            except OSError as unwritable:
                # The reason itself is printed in any case.
                logger.warning("%s cannot be written (%s).", failure, unwritable.strerror)
        raise


def _copy(source: Path, target: Path) -> None:
    part = target.with_name(target.name + ".part")
    shutil.copyfile(source, part)
    part.replace(target)


def train_job(root: str | Path, environ: Mapping[str, str], say: Callable[[str], None]) -> TrainJobResult:
    """Run a training job.

    A job whose checkpoints folder holds a run goes on with it. At SIGTERM the last checkpoint stays there and the best
    epoch so far becomes the model, within 120 s.

    Args:
        root: Folder of the job, /opt/ml in a container.
        environ: Environment; its SM_* variables win over the files under `root`.
        say: Takes each metric line.

    Returns:
        The folders that were written, and the validation scores.

    Raises:
        OverlandError: Anything is wrong; the reason is kept in `output/failure`.
    """
    root = Path(root)
    with reason_kept_in(root), interrupted_at_sigterm() as stop:
        job = read_job(root, environ)
        try:
            lines = MetricLines(job.host, say)
            settings = _checked_settings(job)
            job.checkpoints.mkdir(parents=True, exist_ok=True)
            with print_metrics_of(job.run / "results.csv", lines):
                result = _train_or_resume(job, settings)
            lines.final(result.val.pooled)
            hand_over_bundle(Path(result.model), job.model_dir)
            hand_over_figures(Path(result.run), job.output_dir)
            return _result(job, stopped=False, val=result.val.to_dict())
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
    dataset = read_dataset(job.data)
    check_num_classes(dataset, settings.num_classes)
    told, found = settings.num_training_samples, len(dataset.splits.get("train", ()))
    if told is not None and told != found:
        logger.warning("num_training_samples is %d, and there are %d training images; the images count.", told, found)
    return settings


def _train_or_resume(job: Job, settings: JobSettings) -> TrainResult:
    place = {"project": str(job.checkpoints), "name": job.run.name, "exist_ok": True}
    weights = {"encoder_weights": str(job.encoder_weights)} if job.encoder_weights else {}
    given = {**settings.settings, **weights, **place}
    if not (job.run / "weights" / "last.ckpt").is_file():
        # What an attempt left that was cut off in its first epoch is written over.
        return train(job.data, recipe=settings.recipe, **given)
    now = train_settings_from_source(settings.recipe, given).to_dict()
    before = read_run(job.run).settings.to_dict()
    changed = [f"{name} was {before.get(name)}, is {value}" for name, value in now.items() if before.get(name) != value]
    if changed:
        raise UsageError(
            f"The checkpoints in {job.run} are of a run with other settings: {'; '.join(changed)}. "
            "Give the job a checkpoint_s3_uri of its own, or the hyperparameters of that run."
        )
    logger.info("Going on with the run in %s.", job.run)
    return train(resume=job.run)


def _stop(job: Job, stop: StopRequest) -> TrainJobResult:
    """Make a model of the best epoch so far, in the time that SageMaker leaves."""
    logger.info("SIGTERM: the run is kept in %s.", job.run)
    with tempfile.TemporaryDirectory(prefix="overland-stop-") as folder:
        bundle = _bundle_so_far(job, Path(folder) / "run", stop)
        if bundle is not None:
            hand_over_bundle(bundle, job.model_dir)
    if job.run.is_dir():
        hand_over_figures(job.run, job.output_dir)
    return _result(job, stopped=True, has_model=bundle is not None)


def _bundle_so_far(job: Job, copy: Path, stop: StopRequest) -> Path | None:
    made = job.run / "weights" / "best"
    if (made / "overland.json").is_file():
        return made
    epochs = _epochs_kept(job.run)
    if not epochs:
        logger.info("No epoch was done yet, so there is no model.")
        return None
    # A run of as many epochs as were done: resumed, it has nothing left but to make and score its model.
    record = read_run(job.run)
    copy_run(job.run, copy, replace(record, settings=replace(record.settings, epochs=epochs, minutes=0.0)))
    try:
        with time_limit(stop.left_s(_STOP_WITHIN_S)):
            train(resume=copy)
    except (TimeoutError, OverlandError) as error:
        logger.warning("The model was not scored: %s.", str(error).rstrip("."))
    bundle = copy / "weights" / "best"
    return bundle if (bundle / "overland.json").is_file() else None


def _epochs_kept(run: Path) -> int:
    """Count the epochs that the last checkpoint holds; it is written right after the epoch's row in results.csv."""
    results, checkpoint = run / "results.csv", run / "weights" / "last.ckpt"
    if not checkpoint.is_file():
        return 0
    last_row = int(read_history(results)[-1]["epoch"])
    return last_row if checkpoint.stat().st_mtime_ns >= results.stat().st_mtime_ns else last_row - 1


def _result(job: Job, *, stopped: bool, has_model: bool = True, val: Mapping[str, Any] | None = None) -> TrainJobResult:
    return TrainJobResult(
        model=str(job.model_dir) if has_model else None,
        output=str(job.output_dir),
        run=str(job.run),
        stopped=stopped,
        val=val,
    )
