"""A training job as SageMaker lays it out: folders, hyperparameters and hosts under /opt/ml.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo.html
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from overland.errors import DataError, UsageError

__all__ = [
    "CHANNELS",
    "SERVICE_PREFIXES",
    "Job",
    "StopRequest",
    "interrupted_at_sigterm",
    "read_job",
    "time_limit",
]


CHANNELS = ("train", "validation", "train_annotation", "validation_annotation")
"""Channels of SageMaker's built-in semantic segmentation."""

# Keys that SageMaker's own programs add: _tuning_objective_metric, sagemaker_region and the like.
SERVICE_PREFIXES = ("_", "sagemaker_")
_SINGLE = ("training", "train", "data")
_WEIGHTS = "encoder_weights"
_WEIGHT_SUFFIXES = (".safetensors", ".pth", ".npz")


class StopRequest:
    """The time when the job was asked to stop (`asked_at`), in seconds of `time.monotonic`; None while it was not."""

    def __init__(self) -> None:
        self.asked_at: float | None = None

    def left_s(self, allowed_s: float) -> float:
        """Return the rest of a span of time that began with the request; at least a tenth of a second.

        Args:
            allowed_s: The span in seconds.
        """
        asked_at = time.monotonic() if self.asked_at is None else self.asked_at
        return max(0.1, asked_at + allowed_s - time.monotonic())


@contextmanager
def interrupted_at_sigterm() -> Iterator[StopRequest]:
    """Raise `KeyboardInterrupt` in the block at the first SIGTERM; later ones change nothing. Main thread only."""
    request = StopRequest()

    def ask(number: int, frame: FrameType | None) -> None:
        if request.asked_at is None:
            request.asked_at = time.monotonic()
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, ask)
    try:
        yield request
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TimeoutError` out of the block when it takes longer.

    Inside it is a `KeyboardInterrupt`, so that work that can be interrupted ends as it does then. Main thread of a
    POSIX system only.

    Args:
        seconds: Limit of time.
    """
    is_over = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal is_over
        is_over = True
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except KeyboardInterrupt:
        if not is_over:
            raise
        raise TimeoutError(f"not done within {seconds:.0f} s") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@dataclass(frozen=True)
class Job:
    """Inputs of a job, and the folders that it writes to.

    Args:
        data: Folder of the four channels of images and annotations, or the one channel that holds a whole dataset.
        has_four_channels: Whether the data are the four channels.
        hyperparameters: Texts that the job was started with, by name.
        host: Name of the host.
        model_dir: Folder that gets the model.
        output_dir: Folder that gets figures and tables.
        checkpoints: Folder that outlives the job.
        encoder_weights: File of the channel of that name; None without one.
    """

    data: Path
    has_four_channels: bool
    hyperparameters: Mapping[str, str]
    host: str
    model_dir: Path
    output_dir: Path
    checkpoints: Path
    encoder_weights: Path | None = None

    @property
    def run(self) -> Path:
        """Folder of the run; it lies where SageMaker keeps checkpoints, so that a job that was cut off can go on."""
        return self.checkpoints / "run"


def read_job(root: Path, environ: Mapping[str, str]) -> Job:
    """Read the configuration and the channels of a job.

    Args:
        root: Folder of the job.
        environ: Environment; its SM_* variables win over the files.

    Raises:
        DataError: Files or channels are missing.
        UsageError: The job has more than one host.
    """
    config = root / "input" / "config"
    path = config / "hyperparameters.json"
    if path.is_file():
        values = _json_file(path)
    elif environ.get("SM_HPS"):
        values = _json_object(environ["SM_HPS"], "SM_HPS")
    else:
        raise DataError(
            f"{path} does not exist and SM_HPS is not set, so this is no training job. "
            "Run it in SageMaker, or name the folder of a made job with --root."
        )
    hyperparameters = {
        name: _plain_text(value) for name, value in values.items() if not name.startswith(SERVICE_PREFIXES)
    }
    channels = _channels(root, environ)
    resources = _json_file(config / "resourceconfig.json")
    hosts = resources.get("hosts") or ["algo-1"]
    if len(hosts) > 1:
        raise UsageError(f"This job has {len(hosts)} instances, and Overland trains on one. Set instance_count to 1.")
    return Job(
        data=_data_folder(channels),
        has_four_channels=set(CHANNELS) <= set(channels),
        hyperparameters=hyperparameters,
        host=str(environ.get("SM_CURRENT_HOST") or resources.get("current_host") or hosts[0]),
        model_dir=Path(environ.get("SM_MODEL_DIR") or root / "model"),
        output_dir=Path(environ.get("SM_OUTPUT_DATA_DIR") or root / "output" / "data"),
        checkpoints=root / "checkpoints",
        encoder_weights=_weights_file(channels.get(_WEIGHTS)),
    )


def _plain_text(value: Any) -> str:
    # SageMaker's Python estimators write texts as JSON once more: "\"fcn\"".
    text = value if isinstance(value, str) else json.dumps(value)
    if len(text) > 1 and text[0] == text[-1] == '"':
        try:
            return str(json.loads(text)).strip()
        except ValueError:
            return text
    return text.strip()


def _channels(root: Path, environ: Mapping[str, str]) -> dict[str, Path]:
    """Find every channel: those of the configuration, of SM_CHANNEL_<NAME> and of the folders that are there."""
    base, declared = root / "input" / "data", _json_file(root / "input" / "config" / "inputdataconfig.json")
    names = set(declared) | ({path.name for path in base.iterdir() if path.is_dir()} if base.is_dir() else set())
    pipes = [name for name, value in declared.items() if str(value.get("TrainingInputMode", "File")) == "Pipe"]
    if pipes:
        raise UsageError(
            f"The channel {pipes[0]} is in Pipe mode, which holds no files. Start the job with input mode File or "
            "FastFile, and images in place of an augmented manifest."
        )
    channels = {name: base / name for name in sorted(names)}
    prefix = "SM_CHANNEL_"
    for key, value in environ.items():
        if key.startswith(prefix):
            channels[key.removeprefix(prefix).lower()] = Path(value)
    return {name: path for name, path in channels.items() if path.is_dir()}


def _data_folder(channels: Mapping[str, Path]) -> Path:
    if set(CHANNELS) <= set(channels):
        folders = {channels[name].parent for name in CHANNELS}
        moved = [name for name in CHANNELS if channels[name].name != name]
        if len(folders) > 1 or moved:
            raise DataError(f"The channels {', '.join(CHANNELS)} must be folders of these names in one folder.")
        return folders.pop()
    others = [name for name in channels if name not in (_WEIGHTS, "label_map", "model")]
    if len(others) == 1 and others[0] in _SINGLE:
        return channels[others[0]]
    missing = [name for name in CHANNELS if name not in channels]
    raise DataError(
        f"The job lacks the channel {missing[0]}; it has {', '.join(channels) or 'none'}. Give it the channels "
        f"{', '.join(CHANNELS)}, or one channel {_SINGLE[0]} with a dataset in any layout that Overland reads."
    )


def _weights_file(folder: Path | None) -> Path | None:
    if folder is None:
        return None
    found = sorted(path for path in folder.iterdir() if path.suffix in _WEIGHT_SUFFIXES)
    if len(found) != 1:
        raise DataError(
            f"The channel {_WEIGHTS} must hold one file of weights ({', '.join(_WEIGHT_SUFFIXES)}); found {len(found)}."
        )
    return found[0]


def _json_file(path: Path) -> dict[str, Any]:
    return _json_object(path.read_text(encoding="utf-8"), str(path)) if path.is_file() else {}


def _json_object(text: str, where: str) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except ValueError as error:
        raise DataError(f"{where} is not valid JSON ({error}).") from error
    if not isinstance(values, dict):
        raise DataError(f"{where} must hold a JSON object; found {type(values).__name__}.")
    return values
