"""A saved Keras model as a file: its configuration, its version and its weights. Nothing in it is executed."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from overland.errors import DataError, import_extra
from overland.models.keras.weights import WeightStore, store_of_archive, store_of_hdf5

__all__ = ["KerasFile", "open_keras_file"]

_HDF5, _ZIP = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"
_CONFIG, _METADATA, _WEIGHTS = "config.json", "metadata.json", "model.weights.h5"

# Keras stores its members as they are. A packed one expands a thousandfold at most; what expands more than this and is
# large is no model.
_MOST_MEMBERS = 1000
_LARGEST_TEXT, _LARGEST_WEIGHTS = 64 << 20, 4 << 30
_LARGEST_EXPANSION, _HARMLESS = 100, 16 << 20


@dataclass(frozen=True)
class KerasFile:
    """A model file that is open: `config` describes the network, `store` finds the weights of its layers."""

    config: Mapping[str, Any]
    version: str
    store: WeightStore


@contextmanager
def open_keras_file(path: str | Path) -> Iterator[KerasFile]:
    """Open a whole-model .h5 of Keras 2 or 3, or a .keras file.

    Which of them it is, its first bytes say. Raises `DataError` for any other file, one without the network's
    configuration, one that is damaged, and an archive that would expand to far more than a model needs.
    """
    path = Path(path)
    kind = _first_bytes(path)
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
    except (OSError, RuntimeError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path} is damaged or cut off ({reason}). Copy it again.") from error


def _first_bytes(path: Path) -> bytes:
    if path.is_dir():
        raise DataError(
            f"{path} is a folder (a SavedModel?). Load it where it was made and save it as one file: "
            "model.save('model.keras')."
        )
    try:
        with path.open("rb") as file:
            return file.read(len(_HDF5))
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}). Check the name.") from error


@contextmanager
def _open_hdf5(path: Path) -> Iterator[KerasFile]:
    h5py = import_extra("h5py", "train", "Reading Keras models")
    with h5py.File(path, "r") as file:
        if "model_config" not in file.attrs or "model_weights" not in file:
            raise _without_network(path, bool({"layer_names", "keras_version"} & set(file.attrs)) or "layers" in file)
        config = _object(file.attrs["model_config"], path, "model_config")
        version = file.attrs.get("keras_version", file["model_weights"].attrs.get("keras_version", "unknown"))
        version = version.decode(errors="replace") if isinstance(version, bytes) else str(version)
        yield KerasFile(config, version, store_of_hdf5(file["model_weights"]))


def _without_network(path: Path, is_keras: bool) -> DataError:
    if not is_keras:
        return DataError(f"{path} is an HDF5 file, but no Keras model. Save one with model.save('model.h5').")
    return DataError(
        f"{path} holds weights only, not the network they belong to. Build the network in Keras as it was trained, "
        "load the weights with model.load_weights, and save both: model.save('model.keras')."
    )


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
