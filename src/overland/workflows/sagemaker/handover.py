"""What a job leaves behind: the bundle in the model folder, figures and tables in the output folder, or a reason."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from overland.errors import OverlandError

__all__ = ["hand_over_bundle", "hand_over_figures", "reason_kept_in"]

logger = logging.getLogger("overland")

_REASON_CHARACTERS = 1024
_SETTINGS = "overland.json"


def hand_over_bundle(bundle: Path, model_dir: Path) -> None:
    """Copy the files of a bundle into a folder that is there already (SageMaker mounts it and packs what it holds).

    The file that makes a folder a bundle comes last, so that a copy that was cut off is none.
    """
    model_dir.mkdir(parents=True, exist_ok=True)
    (model_dir / _SETTINGS).unlink(missing_ok=True)
    for path in sorted(bundle.iterdir(), key=lambda path: path.name == _SETTINGS):
        _copy(path, model_dir / path.name)


def hand_over_figures(run: Path, output_dir: Path) -> None:
    """Copy the tables and figures of a run, and the scores of its validation, to a folder."""
    output_dir.mkdir(parents=True, exist_ok=True)
    files = [path for path in sorted(run.iterdir()) if path.is_file() and path.suffix != ".part"]
    for path in files:
        _copy(path, output_dir / path.name)
    scores = run / "val" / "metrics.json"
    if scores.is_file():
        _copy(scores, output_dir / "metrics.json")


@contextmanager
def reason_kept_in(root: Path) -> Iterator[None]:
    """Write the reason why the block failed to `output/failure`, from where SageMaker shows it; the error passes on."""
    failure = root / "output" / "failure"
    failure.unlink(missing_ok=True)
    try:
        yield
    except Exception as error:
        reason = str(error) if isinstance(error, OverlandError) else f"{type(error).__name__}: {error}"
        _write_reason(failure, reason)
        raise


def _write_reason(failure: Path, reason: str) -> None:
    if not failure.parent.parent.is_dir():
        return
    try:
        failure.parent.mkdir(exist_ok=True)
        failure.write_text(reason[:_REASON_CHARACTERS], encoding="utf-8")
    except OSError as error:
        # The reason itself is printed in any case.
        logger.warning("%s cannot be written (%s).", failure, error.strerror)


def _copy(source: Path, target: Path) -> None:
    part = target.with_name(target.name + ".part")
    shutil.copyfile(source, part)
    part.replace(target)
