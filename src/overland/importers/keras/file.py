"""A saved Keras model as a file: its configuration, its version and its weights. Nothing in it is executed.

Weights of a layer are kept by name in .h5, numbered by class in .keras.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.errors import DataError, import_extra
from overland.importers.keras.topology import Layer

__all__ = [
    "KerasFile",
    "WeightStore",
    "open_keras_file",
    "store_of_archive",
    "store_of_hdf5",
]

Arrays = dict[str, npt.NDArray[np.float32]]
WeightStore = Callable[[Layer, Sequence[str]], Arrays]
"""Gives the arrays of a layer by role ("kernel", "bias", ...), in the order in which Keras makes them."""

_MOST_NUMBERS = 1 << 29  # in one array: 2 GiB
_OTHER_NAMES = {"depthwise_kernel": "kernel"}  # Keras 3 calls the kernel of DepthwiseConv2D so
_HDF5, _ZIP = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"
_CONFIG, _METADATA, _WEIGHTS = "config.json", "metadata.json", "model.weights.h5"

# Keras stores its members as they are. A packed one expands a thousandfold at most; what expands more than this and is
# large is no model.
_MOST_MEMBERS = 1000
_LARGEST_TEXT, _LARGEST_WEIGHTS = 64 << 20, 4 << 30
_LARGEST_EXPANSION, _HARMLESS = 100, 16 << 20


def store_of_hdf5(groups: Any) -> WeightStore:
    """Find weights in a whole-model .h5: a group for each layer, with a list of names.

    Args:
        groups: The HDF5 group `model_weights`.
    """

    def find(layer: Layer, roles: Sequence[str]) -> Arrays:
        group = _child(groups, layer.path[0], layer)
        found = list(group.attrs["weight_names"]) if "weight_names" in group.attrs else []
        # A list too long for one attribute of HDF5 is cut into weight_names0, weight_names1, ...
        part = 0
        while "weight_names" not in group.attrs and f"weight_names{part}" in group.attrs:
            found += list(group.attrs[f"weight_names{part}"])
            part += 1
        names = [item.decode() if isinstance(item, bytes) else str(item) for item in found]
        chosen = {role: _choose(names, layer, role, roles) for role in roles}
        return {role: _read(group, name, layer) for role, name in chosen.items()}

    return find


def store_of_archive(root: Any) -> WeightStore:
    """Find weights in a .keras file: groups named after the class and numbered, arrays 0, 1, 2, ... in each.

    Args:
        root: The HDF5 file in it.
    """

    def find(layer: Layer, roles: Sequence[str]) -> Arrays:
        if not roles:
            return {}
        group = root
        for name in layer.stored:
            group = _child(_child(group, "layers", layer), name, layer)
        group = _child(group, "vars", layer)
        # Keras 3 writes the layer's own name next to the numbered one.
        name = group.attrs.get("name", layer.path[-1])
        if name != layer.path[-1]:
            raise DataError(f"The weights of layer {layer.name!r} are those of {name!r} in the file; it is damaged.")
        return {role: _read(group, str(index), layer) for index, role in enumerate(roles)}

    return find


def _choose(names: Sequence[str], layer: Layer, role: str, roles: Sequence[str]) -> str:
    """Return the name that ends in the role and, of several in a nested model, has most of the layer's path."""
    wanted = {role, _OTHER_NAMES.get(role, role)}
    candidates = [name for name in names if _parts(name)[-1] in wanted]
    if len(layer.path) == 1:
        if len(candidates) == 1:
            return candidates[0]
        if len(names) == len(roles):
            return names[list(roles).index(role)]
    # The number of names that the two paths have in common at their ends.
    agreement = dict.fromkeys(candidates, 0)
    for name in agreement:
        for mine, other in zip(_parts(name)[-2::-1], reversed(layer.path), strict=False):
            if mine != other:
                break
            agreement[name] += 1
    best = [name for name, count in agreement.items() if count > 0 and count == max(agreement.values())]
    if len(best) != 1:
        found = ", ".join(names) or "none"
        raise DataError(f"The {role} of layer {layer.name!r} is not in the file, or not to be told; weights: {found}.")
    return best[0]


def _parts(name: str) -> list[str]:
    return name.partition(":")[0].split("/")


def _child(group: Any, name: str, layer: Layer) -> Any:
    """Return a member of a group, never through a link: a link could lead to any file of this machine."""
    h5py = import_extra("h5py", "train", "Reading Keras models")
    if not isinstance(group, h5py.Group) or not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise DataError(f"The weights of layer {layer.name!r} are not in the file. Save the model again.")
    return group[name]


def _read(group: Any, name: str, layer: Layer) -> npt.NDArray[np.float32]:
    h5py = import_extra("h5py", "train", "Reading Keras models")
    for part in name.split("/"):
        group = _child(group, part, layer)
    if not isinstance(group, h5py.Dataset) or group.external or group.is_virtual or group.size > _MOST_NUMBERS:
        raise DataError(f"The weights of layer {layer.name!r} are no plain array; the file is not read.")
    if group.dtype.kind != "f":
        raise DataError(
            f"The weights of layer {layer.name!r} are {group.dtype}, not floating point. Save the model before it is "
            "quantised."
        )
    array = np.asarray(group[()], np.float32)
    if not np.isfinite(array).all():
        raise DataError(f"The weights of layer {layer.name!r} are not all finite; training had failed.")
    return array


@dataclass(frozen=True)
class KerasFile:
    """A model file that is open.

    Args:
        config: Description of the network.
        version: Version of Keras.
        store: Finds the weights of its layers.
    """

    config: Mapping[str, Any]
    version: str
    store: WeightStore


@contextmanager
def open_keras_file(path: str | Path) -> Iterator[KerasFile]:
    """Open a model file; its first bytes tell which kind it is.

    Args:
        path: A whole-model .h5 of Keras 2 or 3, or a .keras file.

    Raises:
        DataError: It is another file, lacks the network's configuration, is damaged, or would expand to far more than a
            model needs.
    """
    path = Path(path)
    if path.is_dir():
        raise DataError(
            f"{path} is a folder (a SavedModel?). Load it where it was made and save it as one file: "
            "model.save('model.keras')."
        )
    try:
        with path.open("rb") as file:
            kind = file.read(len(_HDF5))
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}). Check the name.") from error
    import_extra("h5py", "train", "Reading Keras models")
    try:
        if kind.startswith(_HDF5):
            with _open_hdf5(path) as found:
                yield found
        elif kind.startswith(_ZIP):
            with _open_archive(path) as found:
                yield found
        else:
            raise DataError(
                f"{path} is neither HDF5 nor a .keras archive, the two forms in which Keras saves models. "
                "Save the model again with model.save('model.h5') or model.save('model.keras')."
            )
    except (OSError, RuntimeError, KeyError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path} is damaged or cut off ({reason}). Copy it again.") from error


@contextmanager
def _open_hdf5(path: Path) -> Iterator[KerasFile]:
    h5py = import_extra("h5py", "train", "Reading Keras models")
    with h5py.File(path, "r") as file:
        if "model_config" not in file.attrs or "model_weights" not in file:
            if not {"layer_names", "keras_version"} & set(file.attrs) and "layers" not in file:
                raise DataError(f"{path} is an HDF5 file, but no Keras model. Save one with model.save('model.h5').")
            raise DataError(
                f"{path} holds weights only, not the network they belong to. Build the network in Keras as it was "
                "trained, load the weights with model.load_weights, and save both: model.save('model.keras')."
            )
        config = _object(file.attrs["model_config"], path, "model_config")
        version = file.attrs.get("keras_version", file["model_weights"].attrs.get("keras_version", "unknown"))
        version = version.decode(errors="replace") if isinstance(version, bytes) else str(version)
        yield KerasFile(config, version, store_of_hdf5(file["model_weights"]))


@contextmanager
def _open_archive(path: Path) -> Iterator[KerasFile]:
    h5py = import_extra("h5py", "train", "Reading Keras models")
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if len(names) > _MOST_MEMBERS:
            raise DataError(f"{path} has {len(names)} members; a .keras file has a handful. It is not read.")
        if _CONFIG not in names or _WEIGHTS not in names:
            raise DataError(f"{path} is a ZIP archive without {_CONFIG} and {_WEIGHTS}, so it is no .keras model.")
        config = _object(_member(archive, _CONFIG, _LARGEST_TEXT, path), path, _CONFIG)
        metadata = (
            _object(_member(archive, _METADATA, _LARGEST_TEXT, path), path, _METADATA) if _METADATA in names else {}
        )
        content = io.BytesIO(_member(archive, _WEIGHTS, _LARGEST_WEIGHTS, path))
    with h5py.File(content, "r") as file:
        yield KerasFile(config, str(metadata.get("keras_version", "unknown")), store_of_archive(file))


def _member(archive: zipfile.ZipFile, name: str, limit: int, path: Path) -> bytes:
    info = archive.getinfo(name)
    expands = info.file_size > _HARMLESS and info.file_size > _LARGEST_EXPANSION * info.compress_size
    if info.file_size > limit or expands:
        raise DataError(
            f"{path}: {name} would expand from {info.compress_size} to {info.file_size} bytes, which no model of Keras "
            "does. It is not read."
        )
    return archive.read(info)


def _object(text: str | bytes, path: Path, name: str) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError(f"{path}: {name} cannot be read as JSON ({error}). Save the model again.") from error
    if not isinstance(values, dict):
        raise DataError(f"{path}: {name} is not a JSON object. Save the model again.")
    return values
