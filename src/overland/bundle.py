"""The model bundle: a folder with weights, graph and everything that is needed to use them.

    model.safetensors   the weights, by their PyTorch names
    model.onnx          the graph with the weights in it: scaled chips in, logits out; batch, height and width are free
    config.json         how to build the network (keys as segmentation_models_pytorch names them)
    overland.json       bands, scaling, legend, threshold, metrics, training settings, versions, checksums
    README.md           the model card

Nothing in it is executed or unpickled. The checksums are our own: a flipped bit loads silently from any weights format.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from overland.errors import DataError, UsageError, import_extra
from overland.legend import Legend, legend_from_dict

__all__ = [
    "ModelBundle",
    "load_bundle",
    "load_weights",
    "mask_from_scores",
    "save_bundle",
    "scale_pixels",
    "scores_from_logits",
]

_FORMAT = 1
_WEIGHTS, _GRAPH = "model.safetensors", "model.onnx"
_CONFIG, _SETTINGS, _CARD = "config.json", "overland.json", "README.md"

Scores = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ModelBundle:
    """Everything that is known of a trained model but its weights.

    `bands` are counted from 1 in the scenes that it was trained on; `mean` and `std` are per band, in the scenes' own
    units (a chip is `(pixels - mean) / std`). A model of a binary legend with `activation` "sigmoid" gives one score
    for class 1 and decides by `threshold`; any other gives one score for each class and decides by the largest.
    `halo` is the number of pixels at a chip's border whose scores are not trusted; sides of a chip are multiples of
    `size_divisor`. `path` is None until the bundle is saved.
    """

    legend: Legend
    model: Mapping[str, Any]
    bands: tuple[int, ...]
    dtype: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    chip_size: int
    size_divisor: int
    halo: int
    activation: Literal["sigmoid", "softmax"]
    threshold: float | None = None
    resolution_m: float | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    path: Path | None = None

    @property
    def in_channels(self) -> int:
        """Number of bands that the network takes."""
        return len(self.mean)

    @property
    def num_scores(self) -> int:
        """Number of score bands that the network gives: 1 for a sigmoid, else one for each class."""
        return 1 if self.activation == "sigmoid" else self.legend.num_classes

    @property
    def graph_path(self) -> Path:
        """The ONNX file. Raises `UsageError` for a bundle that is not on disk."""
        return self._file(_GRAPH)

    @property
    def weights_path(self) -> Path:
        """The safetensors file. Raises `UsageError` for a bundle that is not on disk."""
        return self._file(_WEIGHTS)

    def _file(self, name: str) -> Path:
        if self.path is None:
            raise UsageError("The bundle has not been saved yet; save_bundle gives one that is on disk.")
        return self.path / name


def scale_pixels(bundle: ModelBundle, pixels: npt.NDArray[Any]) -> Scores:
    """Turn pixels (..., bands, height, width) as stored in the scene into the float32 that the network takes."""
    mean = np.asarray(bundle.mean, np.float32)[:, None, None]
    inverse = 1 / np.asarray(bundle.std, np.float32)[:, None, None]
    chips: Scores = pixels.astype(np.float32)
    chips -= mean
    chips *= inverse
    return chips


def scores_from_logits(bundle: ModelBundle, logits: Scores) -> Scores:
    """Turn logits (batch, scores, height, width) into probabilities of the same shape."""
    if bundle.activation == "sigmoid":
        # Written with tanh, the logistic function cannot overflow.
        return np.asarray(0.5 * np.tanh(0.5 * logits) + 0.5, dtype=np.float32)
    shifted: Scores = logits - logits.max(axis=-3, keepdims=True)
    np.exp(shifted, out=shifted)
    shifted /= shifted.sum(axis=-3, keepdims=True)
    return shifted


def mask_from_scores(bundle: ModelBundle, scores: Scores, threshold: float | None = None) -> npt.NDArray[np.uint8]:
    """Decide the class of each pixel from scores (scores, height, width); gives ids (height, width).

    `threshold` overrides the one that was tuned on the validation images; it has a meaning for one score only.
    """
    if bundle.num_scores > 1:
        if threshold is not None:
            raise UsageError(f"A threshold decides between two classes; this model has {bundle.legend.num_classes}.")
        return _ids_of_largest(scores)
    limit = threshold if threshold is not None else bundle.threshold if bundle.threshold is not None else 0.5
    return np.asarray(scores[0] >= limit, dtype=np.uint8)


def _ids_of_largest(scores: Scores) -> npt.NDArray[np.uint8]:
    # A few rows at a time stay in the processor's cache: several times as fast as argmax over the first axis, which
    # also holds eight bytes for each pixel. As there, the first of equals wins.
    ids = np.zeros(scores.shape[1:], np.uint8)
    for row in range(0, scores.shape[1], 16):
        rows = slice(row, row + 16)
        largest = scores[0, rows].copy()
        for index in range(1, len(scores)):
            np.copyto(ids[rows], np.uint8(index), where=scores[index, rows] > largest)
            np.maximum(largest, scores[index, rows], out=largest)
    return ids


def save_bundle(
    bundle: ModelBundle, path: str | Path, *, weights: Mapping[str, npt.NDArray[Any]], graph: bytes, card: str
) -> ModelBundle:
    """Write a bundle to a folder, whole or not at all; one that is there already is replaced.

    `weights` are arrays by PyTorch name, `graph` is a serialised ONNX model, `card` the README in Markdown.
    Returns the bundle with its path.
    """
    path = Path(path)
    part = path.with_name(path.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    safetensors = import_extra("safetensors.numpy", "train", "Writing weights")
    safetensors.save_file({name: np.ascontiguousarray(array) for name, array in weights.items()}, part / _WEIGHTS)
    (part / _GRAPH).write_bytes(graph)
    (part / _CARD).write_text(card, encoding="utf-8")
    _write_json(part / _CONFIG, dict(bundle.model))
    settings = asdict(bundle)
    del settings["path"], settings["model"]
    settings["legend"] = bundle.legend.to_dict()
    settings["format"] = _FORMAT
    settings["sha256"] = {name: _sha256(part / name) for name in (_WEIGHTS, _GRAPH, _CONFIG)}
    _write_json(part / _SETTINGS, settings)
    _replace_folder(part, path)
    return load_bundle(path)


def load_bundle(path: str | Path) -> ModelBundle:
    """Read a bundle and check that its files are what was saved.

    Raises `DataError` when the folder is no bundle, when it was made by a newer Overland or when a checksum differs.
    """
    path = Path(path)
    settings = _read_settings(path)
    if settings.get("format") != _FORMAT:
        raise DataError(
            f"{path} has bundle format {settings.get('format')}; this version of Overland reads format {_FORMAT}. "
            "Use the version that made it, or export it again."
        )
    for name, expected in _mapping(settings, "sha256", path).items():
        _check_file(path / Path(str(name)).name, str(expected))
    known = {item.name for item in fields(ModelBundle)} - {"path", "model", "legend"}
    values = {name: settings[name] for name in known if name in settings}
    try:
        values |= {name: tuple(values[name]) for name in ("bands", "mean", "std")}
        return ModelBundle(
            legend=legend_from_dict(_mapping(settings, "legend", path)),
            model=json.loads((path / _CONFIG).read_text(encoding="utf-8")),
            path=path,
            **values,
        )
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise DataError(f"{path}/{_SETTINGS} is incomplete ({error}); the bundle cannot be used.") from error


def load_weights(bundle: ModelBundle) -> dict[str, npt.NDArray[Any]]:
    """Read the weights by their PyTorch names."""
    safetensors = import_extra("safetensors.numpy", "train", "Reading weights")
    return dict(safetensors.load_file(bundle.weights_path))


def _read_settings(path: Path) -> dict[str, Any]:
    settings = path / _SETTINGS
    if not settings.is_file():
        found = "it does not exist" if not path.exists() else f"it has no {_SETTINGS}"
        raise DataError(f"{path} is not a model bundle: {found}. A run keeps its bundle in weights/best.")
    try:
        values = json.loads(settings.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise DataError(f"{settings} cannot be read ({error}).") from error
    if not isinstance(values, dict):
        raise DataError(f"{settings} does not hold a JSON object.")
    return values


def _mapping(settings: Mapping[str, Any], key: str, path: Path) -> Mapping[str, Any]:
    value = settings.get(key)
    if not isinstance(value, Mapping):
        raise DataError(f"{path}/{_SETTINGS} has no {key}; the bundle cannot be used.")
    return value


def _check_file(path: Path, expected: str) -> None:
    if not path.is_file():
        raise DataError(f"{path} is missing; the bundle is incomplete. Copy the whole folder again.")
    found = _sha256(path)
    if found != expected:
        raise DataError(
            f"{path} is not the file that was saved (sha256 {found[:12]}, expected {expected[:12]}). "
            "It was damaged or changed; copy the bundle again."
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _replace_folder(part: Path, path: Path) -> None:
    old = path.with_name(path.name + ".old.part")
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        path.replace(old)
    part.replace(path)
    shutil.rmtree(old, ignore_errors=True)
