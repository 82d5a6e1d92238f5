"""The model bundle: a folder with weights, graph and everything that is needed to use them.

    model.safetensors   the weights, by their PyTorch names
    model.onnx          the graph: scaled chips in, logits out; batch, height and width are free. It has the weights in
                        it, or (a compact bundle, `export.compact`) reads them in model.safetensors, in half precision
    model.int8.onnx     the same graph in eight bits, where one was made
    config.json         how to build the network (keys as segmentation_models_pytorch names them)
    overland.json       bands, scaling, legend, threshold, metrics, training settings, versions, checksums
    README.md           the model card

Nothing in it is executed or unpickled. The checksums are our own: a flipped bit loads silently from any weights format.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from overland.errors import DataError, UsageError, import_extra
from overland.legend import Legend, legend_from_dict
from overland.pretrained import pretrained_models

__all__ = [
    "ModelBundle",
    "load_bundle",
    "load_weights",
    "mask_from_probabilities",
    "probabilities_from_logits",
    "save_bundle",
    "save_quantized",
    "scale_pixels",
]

_FORMAT = 1
_CACHED_PIXELS = 1 << 15
_WEIGHTS, _GRAPH, _INT8_GRAPH = "model.safetensors", "model.onnx", "model.int8.onnx"
_CONFIG, _SETTINGS, _CARD = "config.json", "overland.json", "README.md"

Scores = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ModelBundle:
    """Everything that is known of a trained model but its weights.

    `bands` are counted from 1 in the scenes that it was trained on; `mean` and `std` are per band, in the scenes' own
    units (a chip is `(pixels - mean) / std`). A model of a binary legend with `activation` "sigmoid" gives one score
    for class 1 and decides by `threshold`; any other gives one score for each class and decides by the largest.
    `halo` is the number of pixels at a chip's border whose scores are not trusted; sides of a chip are multiples of
    `size_divisor`. `bytes_per_pixel` is the working memory of the network for each pixel of a chip, where it was
    measured; `int8` is the report of the eight-bit graph, None where there is none. `path` is None until the bundle is
    saved.
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
    bytes_per_pixel: float | None = None
    int8: Mapping[str, Any] | None = None
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
    def squash(self) -> int:
        """Side of the square that the network resizes every image to, as published systems do; 0 where it does not."""
        return int(self.model.get("squash") or 0)

    @property
    def graph_path(self) -> Path:
        """The ONNX file. Raises `UsageError` for a bundle that is not on disk."""
        return self._file(_GRAPH)

    @property
    def int8_path(self) -> Path | None:
        """The ONNX file in eight bits; None where none was made. Raises `UsageError` for a bundle not on disk."""
        return None if self.int8 is None else self._file(_INT8_GRAPH)

    @property
    def weights_path(self) -> Path:
        """The safetensors file. Raises `UsageError` for a bundle that is not on disk."""
        return self._file(_WEIGHTS)

    @property
    def digest(self) -> str:
        """Checksum of all that decides the model's answers: its settings, which hold the checksums of its files."""
        return _sha256(self._file(_SETTINGS))

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


def probabilities_from_logits(bundle: ModelBundle, logits: Scores) -> Scores:
    """Turn logits (batch, scores, height, width) into probabilities of the same shape."""
    if bundle.activation == "sigmoid":
        # Written with tanh, the logistic function cannot overflow.
        scores: Scores = np.multiply(logits, np.float32(0.5))
        np.tanh(scores, out=scores)
        scores *= 0.5
        scores += 0.5
        return scores
    scores = np.empty_like(logits)
    for rows in _cached_rows(logits):
        part = scores[..., rows, :]
        np.subtract(logits[..., rows, :], logits[..., rows, :].max(axis=-3, keepdims=True), out=part)
        np.exp(part, out=part)
        part *= 1 / part.sum(axis=-3, keepdims=True)
    return scores


def mask_from_probabilities(
    bundle: ModelBundle, scores: Scores, threshold: float | None = None
) -> npt.NDArray[np.uint8]:
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
    # Several times as fast as argmax over the first axis, which also holds eight bytes for each pixel. As there, the
    # first of equals wins.
    ids = np.zeros(scores.shape[1:], np.uint8)
    for rows in _cached_rows(scores):
        largest = scores[0, rows].copy()
        for index in range(1, len(scores)):
            # Ids grow, so that the largest id of those that were larger than all before is the last of them.
            larger = (scores[index, rows] > largest).view(np.uint8)
            larger *= np.uint8(index)
            np.maximum(ids[rows], larger, out=ids[rows])
            np.maximum(largest, scores[index, rows], out=largest)
    return ids


def _cached_rows(array: npt.NDArray[Any]) -> Iterator[slice]:
    """A few rows at a time: what is done to them in several steps stays in the processor's cache."""
    step = max(1, _CACHED_PIXELS // max(1, array.shape[-1]))
    for row in range(0, array.shape[-2], step):
        yield slice(row, row + step)


def save_bundle(
    bundle: ModelBundle,
    path: str | Path,
    *,
    weights: Mapping[str, npt.NDArray[Any]],
    graph: bytes,
    card: str,
    int8_graph: bytes | None = None,
) -> ModelBundle:
    """Write a bundle to a folder, whole or not at all; one that is there already is replaced.

    `weights` are arrays by PyTorch name, `graph` is a serialised ONNX model, `card` the README in Markdown.
    `int8_graph` goes with the report in `bundle.int8`: both or neither, else `UsageError`. Returns the bundle with its
    path.
    """
    if (int8_graph is None) != (bundle.int8 is None):
        raise UsageError("An eight-bit graph is saved with the report of what it costs: give both or neither.")
    safetensors = import_extra("safetensors.numpy", "train", "Writing weights")
    content = safetensors.save({name: np.asarray(array, order="C") for name, array in weights.items()})
    files = {_WEIGHTS: content, _GRAPH: graph}
    return _save_files(bundle, Path(path), files if int8_graph is None else files | {_INT8_GRAPH: int8_graph}, card)


def save_quantized(
    bundle: ModelBundle, path: str | Path, *, int8_graph: bytes, report: Mapping[str, Any], card: str
) -> ModelBundle:
    """Write a copy of a bundle that is on disk with an eight-bit graph and the report of what that costs.

    The same care as in `save_bundle`, and no extra is needed. Returns the copy.
    """
    files = {
        _WEIGHTS: bundle.weights_path.read_bytes(),
        _GRAPH: bundle.graph_path.read_bytes(),
        _INT8_GRAPH: int8_graph,
    }
    return _save_files(replace(bundle, int8=dict(report)), Path(path), files, card)


def load_bundle(path: str | Path) -> ModelBundle:
    """Read a bundle and check that its files are what was saved.

    `path` is a bundle, the folder of a run (its best model is taken), or, where there is no bundle or run of that
    name, the name of a pretrained model (`overland.pretrained`). Raises `DataError` when it is none of them, when the bundle was
    made by a newer Overland or when a checksum differs.
    """
    path = _bundle_folder(Path(path))
    settings = _read_settings(path)
    if settings.get("format") != _FORMAT:
        raise DataError(
            f"{path} has bundle format {settings.get('format')}; this version of Overland reads format {_FORMAT}. "
            "Use the version that made it, or export it again."
        )
    checksums = _mapping(settings, "sha256", path)
    if settings.get("int8") is not None and _INT8_GRAPH not in checksums:
        raise DataError(f"{path}/{_SETTINGS} reports on {_INT8_GRAPH} but has no checksum of it. Quantise it again.")
    for name, expected in checksums.items():
        _check_file(path / Path(str(name)).name, str(expected))
    known = {item.name for item in fields(ModelBundle)} - {"path", "model", "legend"}
    values = {name: settings[name] for name in known if name in settings}
    try:
        values |= {name: tuple(values[name]) for name in ("bands", "mean", "std")}
        return ModelBundle(
            legend=legend_from_dict(_mapping(settings, "legend", path)),
            model=_network_settings(json.loads((path / _CONFIG).read_text(encoding="utf-8"))),
            path=path,
            **values,
        )
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise DataError(f"{path}/{_SETTINGS} is incomplete ({error}); the bundle cannot be used.") from error


def load_weights(bundle: ModelBundle) -> dict[str, npt.NDArray[Any]]:
    """Read the weights by their PyTorch names."""
    safetensors = import_extra("safetensors.numpy", "train", "Reading weights")
    return dict(safetensors.load_file(bundle.weights_path))


def _network_settings(config: dict[str, Any]) -> dict[str, Any]:
    # A bundle in the layout of the Hugging Face Hub names the architecture by the key that smp.from_pretrained reads.
    architecture = config.pop("_model_class", None)
    return config if architecture is None else {"architecture": architecture, **config}


def _save_files(bundle: ModelBundle, path: Path, files: Mapping[str, bytes], card: str) -> ModelBundle:
    part = path.with_name(path.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for name, content in files.items():
        (part / name).write_bytes(content)
    (part / _CARD).write_text(card, encoding="utf-8")
    _write_json(part / _CONFIG, dict(bundle.model))
    settings = asdict(bundle)
    del settings["path"], settings["model"]
    settings["legend"] = bundle.legend.to_dict()
    settings["format"] = _FORMAT
    settings["sha256"] = {name: _sha256(part / name) for name in (*files, _CONFIG)}
    _write_json(part / _SETTINGS, settings)
    _replace_folder(part, path)
    return load_bundle(path)


def _bundle_folder(path: Path) -> Path:
    for folder in (path, path / "weights" / "best", pretrained_models().get(str(path))):
        if folder is not None and (folder / _SETTINGS).is_file():
            return folder
    return path


def _read_settings(path: Path) -> dict[str, Any]:
    settings = path / _SETTINGS
    if not settings.is_file():
        found = "it does not exist" if not path.exists() else f"it has no {_SETTINGS}"
        raise DataError(
            f"{path} is not a model bundle: {found}. A run keeps its bundle in weights/best; "
            f"in the box there is {', '.join(pretrained_models()) or 'nothing'}."
        )
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
