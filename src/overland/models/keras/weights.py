"""Where a Keras file keeps the weights of a layer: by name in .h5, numbered by class in .keras."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.errors import DataError, import_extra
from overland.models.keras.topology import Layer

__all__ = ["WeightStore", "store_of_archive", "store_of_hdf5"]

Arrays = dict[str, npt.NDArray[np.float32]]
WeightStore = Callable[[Layer, Sequence[str]], Arrays]
"""Gives the arrays of a layer by role ("kernel", "bias", ...), in the order in which Keras makes them."""

_MOST_NUMBERS = 1 << 29  # in one array: 2 GiB
_OTHER_NAMES = {"depthwise_kernel": "kernel"}  # Keras 3 calls the kernel of DepthwiseConv2D so


def store_of_hdf5(groups: Any) -> WeightStore:
    """The weights of a whole-model .h5: a group for each layer, with a list of names."""

    def find(layer: Layer, roles: Sequence[str]) -> Arrays:
        group = _child(groups, layer.path[0], layer)
        names = _listed(group.attrs, "weight_names")
        chosen = {role: _choose(names, layer, role, roles) for role in roles}
        return {role: _read(group, name, layer) for role, name in chosen.items()}

    return find


def store_of_archive(root: Any) -> WeightStore:
    """The weights of a .keras file: groups named after the class and numbered, arrays 0, 1, 2, ... in each."""

    def find(layer: Layer, roles: Sequence[str]) -> Arrays:
        if not roles:
            return {}
        group = root
        for name in layer.stored:
            group = _child(_child(group, "layers", layer), name, layer)
        group = _child(group, "vars", layer)
        _check_name(group.attrs, layer)
        return {role: _read(group, str(index), layer) for index, role in enumerate(roles)}

    return find


def _listed(attributes: Mapping[str, Any], name: str) -> list[str]:
    # A list too long for one attribute of HDF5 is cut into name0, name1, ...
    if name in attributes:
        found = list(attributes[name])
    else:
        found = []
        while f"{name}{len(found)}" in attributes:
            found.append(attributes[f"{name}{len(found)}"])
        found = [item for part in found for item in part]
    return [item.decode() if isinstance(item, bytes) else str(item) for item in found]


def _choose(names: Sequence[str], layer: Layer, role: str, roles: Sequence[str]) -> str:
    """The name that ends in the role and, of several in a nested model, shares most of the layer's path."""
    wanted = {role, _OTHER_NAMES.get(role, role)}
    candidates = [name for name in names if _parts(name)[-1] in wanted]
    if len(layer.path) == 1:
        if len(candidates) == 1:
            return candidates[0]
        if len(names) == len(roles):
            return names[list(roles).index(role)]
    agreement = {name: _agreement(_parts(name)[:-1], layer.path) for name in candidates}
    best = [name for name, count in agreement.items() if count > 0 and count == max(agreement.values())]
    if len(best) != 1:
        found = ", ".join(names) or "none"
        raise DataError(f"The {role} of layer {layer.name!r} is not in the file, or not to be told; weights: {found}.")
    return best[0]


def _parts(name: str) -> list[str]:
    return name.partition(":")[0].split("/")


def _agreement(parts: Sequence[str], path: Sequence[str]) -> int:
    count = 0
    for mine, other in zip(reversed(parts), reversed(path), strict=False):
        if mine != other:
            break
        count += 1
    return count


def _check_name(attributes: Mapping[str, Any], layer: Layer) -> None:
    # Keras 3 writes the layer's own name beside the numbered one.
    name = attributes.get("name", layer.path[-1])
    if name != layer.path[-1]:
        raise DataError(f"The weights of layer {layer.name!r} are those of {name!r} in the file; it is damaged.")


def _child(group: Any, name: str, layer: Layer) -> Any:
    """A member of a group, never through a link: a link could lead to any file of this machine."""
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
