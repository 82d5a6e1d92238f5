"""The model bundle: a folder with weights, graph and everything that is needed to use them. The format only.

    model.safetensors   the weights, by their PyTorch names
    model.onnx          the graph: scaled chips in, logits out; batch, height and width are free. It has the weights in
                        it, or (a compact bundle, `exporters.compact`) reads them in model.safetensors, in half
                        precision
    model.int8.onnx     the same graph in eight bits, where one was made
    config.json         how to build the network (keys as segmentation_models_pytorch names them)
    overland.json       the manifest: bands, scaling, legend, threshold, metrics, training settings, versions, checksums
    README.md           the model card, which may be edited

Nothing in it is executed or unpickled. The checksums are our own, because a flipped bit loads silently from any weights
format: the manifest has one of every file that the model needs, and a seal over itself. They show damage, not a forger,
who can make new ones; so every value is also checked for its kind, its range, and whether it fits the others, and an
engine tries the graph before it is used (`inference.engines`).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from overland.errors import DataError, UsageError, import_extra
from overland.legend import Legend, legend_from_dict
from overland.output import sha256_of, write_folder
from overland.pretrained import pretrained_models

__all__ = [
    "ModelBundle",
    "load_bundle",
    "load_weights",
    "manifest_seal",
    "save_bundle",
    "save_quantized",
]

_FORMAT = 2
_WEIGHTS, _GRAPH, _INT8_GRAPH = "model.safetensors", "model.onnx", "model.int8.onnx"
_CONFIG, _MANIFEST, _CARD = "config.json", "overland.json", "README.md"
_REQUIRED = (_WEIGHTS, _GRAPH, _CONFIG)
_LARGEST_MANIFEST = 64 << 20

# Pixel types that a scene may have.
_DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")
_LARGEST_SIDE = 1 << 16
_LARGEST_HALO = 4096
_LARGEST_DIVISOR = 1024
_LARGEST_BAND = 1 << 16


@dataclass(frozen=True)
class ModelBundle:
    """Everything that is known of a trained model but its weights.

    A model of a two-class legend with `activation` "sigmoid" gives one probability, that of class 1, and decides by
    `threshold`; any other gives one for each class and decides by the largest.

    Attributes:
        legend: The classes.
        model: How to build the network, as in `config.json`.
        bands: Bands that it was trained on, counted from 1 in the training scenes.
        dtype: Pixel type of these scenes.
        mean: Mean of each band in the scenes' own units; a chip is `(pixels - mean) / std`.
        std: Standard deviation of each band in the scenes' own units.
        chip_size: Side of the chips in training, in pixels.
        size_divisor: The number that every side of a chip is a multiple of.
        halo: Pixels at a window's border whose probabilities are not trusted.
        activation: "sigmoid" or "softmax".
        threshold: Smallest probability of class 1, tuned on the validation images; None decides at one half.
        resolution_m: Side of a pixel in metres that the model knows; None where the scenes had no place.
        bytes_per_pixel: Working memory of the network for each pixel of a window; None where it was not measured.
        window: Side of the largest window that a prediction takes by default, in pixels, halos included; None chooses
            one by `bytes_per_pixel` and `halo`.
        int8: Report on the eight-bit graph; None where there is none.
        metrics: Scores by split.
        data: The training data: names, licence, resolutions that the model is meant for.
        training: Settings of the training run.
        versions: Versions of the libraries that made it.
        path: Folder of the bundle; None until it is saved.
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
    window: int | None = None
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
    def num_outputs(self) -> int:
        """Number of bands that the network gives: 1 for a sigmoid, else one for each class."""
        return 1 if self.activation == "sigmoid" else self.legend.num_classes

    @property
    def fixed_size(self) -> int:
        """Side of the square that the network resizes every image to, as published systems do; 0 where it does not."""
        return int(self.model.get("fixed_size") or 0)

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
        """Checksum of all that decides the model's answers: its manifest, which holds the checksums of its files."""
        return sha256_of(self._file(_MANIFEST))

    def _file(self, name: str) -> Path:
        if self.path is None:
            raise UsageError("The bundle has not been saved yet; save_bundle gives one that is on disk.")
        return self.path / name


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

    Args:
        bundle: All that is known of the model.
        path: The folder.
        weights: Arrays by PyTorch name.
        graph: A serialised ONNX model.
        card: The model card in Markdown.
        int8_graph: The graph in eight bits; it goes with the report in `bundle.int8`.

    Returns:
        The bundle with its path.

    Raises:
        UsageError: A value of the bundle makes no sense, or an eight-bit graph comes without its report.
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
    """Write a copy of a bundle that is on disk with an eight-bit graph; no extra is needed.

    Args:
        bundle: The bundle.
        path: Folder of the copy.
        int8_graph: The graph in eight bits.
        report: What that costs.
        card: The model card in Markdown.

    Returns:
        The copy.
    """
    files = {
        _WEIGHTS: bundle.weights_path.read_bytes(),
        _GRAPH: bundle.graph_path.read_bytes(),
        _INT8_GRAPH: int8_graph,
    }
    return _save_files(replace(bundle, int8=dict(report)), Path(path), files, card)


def load_bundle(path: str | Path) -> ModelBundle:
    """Read a bundle, and check that its files are the saved ones and that its values make sense.

    Args:
        path: A bundle, the folder of a run (its best model is taken), or, where there is no bundle or run of that name,
            the name of a pretrained model (`overland.pretrained`).

    Returns:
        The bundle.

    Raises:
        DataError: It is none of them, it was made by another version, a checksum differs, or a value makes no sense.
    """
    path, manifest = _read_manifest(Path(path))
    where = path / _MANIFEST
    if manifest.get("format") != _FORMAT:
        raise DataError(
            f"{path} has bundle format {manifest.get('format')!r}; this version of Overland reads format {_FORMAT}. "
            "Use the version that made it, or export it again."
        )
    if manifest.get("seal") != manifest_seal(manifest):
        raise DataError(f"{where} is not the file that was saved. It was damaged or changed; copy the bundle again.")
    checksums = manifest.get("sha256")
    if not isinstance(checksums, Mapping):
        raise DataError(f"{where} has no sha256; the bundle cannot be used.")
    required = (*_REQUIRED, *([_INT8_GRAPH] if manifest.get("int8") is not None else []))
    for name in required:
        if not isinstance(checksums.get(name), str):
            raise DataError(f"{where} has no checksum of {name}. Copy the bundle again, or export it again.")
    for name in checksums:
        if name not in (*_REQUIRED, _INT8_GRAPH):
            raise DataError(f"{where} has a checksum of {name!r}, which is no file of a bundle. Copy the bundle again.")
        _check_file(path / name, str(checksums[name]))
    try:
        values = {item.name: manifest[item.name] for item in fields(ModelBundle) if item.name in manifest}
        for name in ("bands", "mean", "std"):
            if not isinstance(values[name], list):
                raise DataError(f"{where}: {name} is {_shortened(values[name])}, expected a list. Export it again.")
            values[name] = tuple(values[name])
        names = manifest["legend"]["names"]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise DataError(f"{where}: the legend's names are {_shortened(names)}, expected texts. Export it again.")
        values |= {"legend": legend_from_dict(manifest["legend"]), "model": _read_config(path / _CONFIG), "path": path}
        bundle = ModelBundle(**values)
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{where} is incomplete ({error}); the bundle cannot be used.") from error
    problem = _problem(bundle)
    if problem:
        raise DataError(f"{where}: {problem}. The bundle cannot be used; export it again.")
    return bundle


def load_weights(bundle: ModelBundle) -> dict[str, npt.NDArray[Any]]:
    """Read the weights.

    Args:
        bundle: A bundle that is on disk.

    Returns:
        Arrays by their PyTorch names.

    Raises:
        DataError: The file is damaged.
    """
    safetensors = import_extra("safetensors.numpy", "train", "Reading weights")
    errors = import_extra("safetensors", "train", "Reading weights").SafetensorError
    try:
        return dict(safetensors.load_file(bundle.weights_path))
    except errors as error:
        raise DataError(f"{bundle.weights_path} cannot be read ({error}). Copy the bundle again.") from error


def manifest_seal(manifest: Mapping[str, Any]) -> str:
    """Compute the seal of a manifest: the checksum of all its values but the seal.

    Args:
        manifest: The values of `overland.json`.

    Returns:
        SHA-256 of the values as JSON with sorted keys and without spaces, in hexadecimal digits.
    """
    values = {key: value for key, value in manifest.items() if key != "seal"}
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


# Checks of a bundle's values. They are data from elsewhere: a number may be a text, a list, or beyond all sense.


def _is_whole(value: object, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high


def _is_number(value: object, low: float, high: float) -> bool:
    # A bool is an int, and is no number here.
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and low <= value <= high


def _is_optional(check: Callable[..., bool], value: object, low: float, high: float) -> bool:
    return value is None or check(value, low, high)


def _problem(bundle: ModelBundle) -> str:
    """Find the first value that makes no sense, and say so; an empty text where there is none."""
    channels = len(bundle.mean)
    checks: list[tuple[str, object, bool, str]] = [
        ("dtype", bundle.dtype, bundle.dtype in _DTYPES, f"one of {', '.join(_DTYPES)}"),
        (
            "bands",
            bundle.bands,
            bool(bundle.bands) and all(_is_whole(band, 1, _LARGEST_BAND) for band in bundle.bands),
            "numbers counted from 1",
        ),
        ("mean", bundle.mean, all(_is_number(value, -1e300, 1e300) for value in bundle.mean), "a number for each band"),
        (
            "std",
            bundle.std,
            all(_is_number(value, 1e-30, 1e300) for value in bundle.std),
            "a number above 0 for each band",
        ),
        (
            "mean and std",
            (len(bundle.mean), len(bundle.std)),
            len(bundle.mean) == len(bundle.std) == len(bundle.bands),
            f"one for each of {len(bundle.bands)} bands",
        ),
        ("chip_size", bundle.chip_size, _is_whole(bundle.chip_size, 1, _LARGEST_SIDE), "a side in pixels"),
        (
            "size_divisor",
            bundle.size_divisor,
            _is_whole(bundle.size_divisor, 1, _LARGEST_DIVISOR),
            f"a whole number from 1 to {_LARGEST_DIVISOR}",
        ),
        ("halo", bundle.halo, _is_whole(bundle.halo, 0, _LARGEST_HALO), f"pixels from 0 to {_LARGEST_HALO}"),
        (
            "window",
            bundle.window,
            _is_optional(_is_whole, bundle.window, 1, _LARGEST_SIDE),
            "a side in pixels, or null",
        ),
        ("activation", bundle.activation, bundle.activation in ("sigmoid", "softmax"), "sigmoid or softmax"),
        (
            "threshold",
            bundle.threshold,
            _is_optional(_is_number, bundle.threshold, 0, 1),
            "a probability from 0 to 1, or null",
        ),
        (
            "resolution_m",
            bundle.resolution_m,
            _is_optional(_is_number, bundle.resolution_m, 1e-6, 1e7),
            "metres above 0, or null",
        ),
        (
            "bytes_per_pixel",
            bundle.bytes_per_pixel,
            _is_optional(_is_number, bundle.bytes_per_pixel, 0, 1e7),
            "bytes, or null",
        ),
        ("int8", bundle.int8, bundle.int8 is None or isinstance(bundle.int8, Mapping), "a report, or null"),
        *(
            (name, value, isinstance(value, Mapping), "values by name")
            for name, value in (
                ("metrics", bundle.metrics),
                ("data", bundle.data),
                ("training", bundle.training),
                ("versions", bundle.versions),
                ("config.json", bundle.model),
            )
        ),
    ]
    for name, value, is_right, expected in checks:
        if not is_right:
            return f"{name} is {_shortened(value)}, expected {expected}"
    return _legend_problem(bundle) or _config_problem(bundle, channels)


def _legend_problem(bundle: ModelBundle) -> str:
    legend = bundle.legend
    if not all(isinstance(name, str) and name.strip() for name in legend.names):
        return f"the legend's names are {_shortened(legend.names)}, expected texts"
    if legend.num_classes < 2:
        return "the legend has one class, expected two or more"
    if legend.background is not None and not _is_whole(legend.background, 0, legend.num_classes - 1):
        return f"the legend's background is {legend.background}, expected an id below {legend.num_classes}"
    if not _is_whole(legend.ignore_index, legend.num_classes, 255):
        return f"the legend's ignore_index is {legend.ignore_index}, expected an id from {legend.num_classes} to 255"
    if bundle.activation == "sigmoid" and legend.num_classes != 2:
        return f"a sigmoid decides between two classes, and the legend has {legend.num_classes}"
    return ""


def _config_problem(bundle: ModelBundle, channels: int) -> str:
    config = bundle.model
    if "squash" in config:
        return "config.json has squash, which this version calls fixed_size"
    size = config.get("fixed_size")
    if size is not None and not _is_whole(size, 0, _LARGEST_SIDE):
        return f"config.json says fixed_size {_shortened(size)}, expected a side in pixels"
    for key, expected in (("in_channels", channels), ("classes", bundle.num_outputs)):
        if key in config and config[key] != expected:
            return f"config.json says {key} {_shortened(config[key])}, and the manifest means {expected}"
    stated = bundle.data.get("resolution_range_m")
    is_pair = isinstance(stated, list | tuple) and len(stated) == 2 and all(_is_number(side, 0, 1e7) for side in stated)
    if stated is not None and not (is_pair and stated[0] <= stated[1]):
        return f"data.resolution_range_m is {_shortened(stated)}, expected the smallest and the largest in metres"
    return ""


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


# Files.


def _save_files(bundle: ModelBundle, path: Path, files: Mapping[str, bytes], card: str) -> ModelBundle:
    problem = _problem(bundle)
    if problem:
        raise UsageError(f"The model cannot be saved: {problem}.")
    with write_folder(path) as part:
        for name, content in files.items():
            (part / name).write_bytes(content)
        (part / _CARD).write_text(card, encoding="utf-8")
        _write_json(part / _CONFIG, dict(bundle.model))
        manifest = asdict(bundle)
        del manifest["path"], manifest["model"]
        manifest["legend"] = bundle.legend.to_dict()
        manifest["format"] = _FORMAT
        manifest["sha256"] = {name: sha256_of(part / name) for name in (*files, _CONFIG)}
        # As it will be read: tuples are lists there, and keys are texts.
        manifest = json.loads(json.dumps(manifest))
        manifest["seal"] = manifest_seal(manifest)
        _write_json(part / _MANIFEST, manifest)
    return load_bundle(path)


def _read_manifest(path: Path) -> tuple[Path, dict[str, Any]]:
    """Find the folder of a bundle, of the best one of a run or of a pretrained one, and read its manifest."""
    folders = [folder for folder in (path, path / "weights" / "best", pretrained_models().get(str(path))) if folder]
    folder = next((folder for folder in folders if (folder / _MANIFEST).is_file()), None)
    if folder is None:
        found = "it does not exist" if not path.exists() else f"it has no {_MANIFEST}"
        raise DataError(
            f"{path} is not a model bundle: {found}. A run keeps its bundle in weights/best; "
            f"pretrained there is {', '.join(pretrained_models()) or 'nothing'}."
        )
    values = _read_json(folder / _MANIFEST)
    if not isinstance(values, dict):
        raise DataError(f"{folder / _MANIFEST} does not hold a JSON object.")
    return folder, values


def _read_config(path: Path) -> dict[str, Any]:
    config = _read_json(path)
    if not isinstance(config, dict):
        raise DataError(f"{path} does not hold a JSON object.")
    # A bundle in the layout of the Hugging Face Hub names the architecture by the key that smp.from_pretrained reads.
    architecture = config.pop("_model_class", None)
    return config if architecture is None else {"architecture": architecture, **config}


def _read_json(path: Path) -> Any:
    try:
        if path.stat().st_size > _LARGEST_MANIFEST:
            raise DataError(f"{path} is larger than {_LARGEST_MANIFEST >> 20} MB; it is no file of a bundle.")
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise DataError(f"{path} cannot be read (it is nested too deeply).") from None
    except (ValueError, OSError) as error:
        raise DataError(f"{path} cannot be read ({error}).") from error


def _check_file(path: Path, expected: str) -> None:
    if not path.is_file():
        raise DataError(f"{path} is missing; the bundle is incomplete. Copy the whole folder again.")
    found = sha256_of(path)
    if found != expected:
        raise DataError(
            f"{path} is not the file that was saved (sha256 {found[:12]}, expected {expected[:12]}). "
            "It was damaged or changed; copy the bundle again."
        )


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
