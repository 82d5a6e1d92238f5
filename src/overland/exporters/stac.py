"""A bundle described as a STAC item with the Machine Learning Model extension, for catalogues of models."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from overland.bundle import ModelBundle
from overland.output import sha256_of

__all__ = ["stac_item"]

# Both, because pystac reads the extension up to 1.4 while 1.5 is current; the item is valid under either.
_MLM_VERSIONS = ("1.5.0", "1.4.0")
_EXTENSIONS = (
    *(f"https://stac-extensions.github.io/mlm/v{version}/schema.json" for version in _MLM_VERSIONS),
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
)
_TASKS = ["semantic-segmentation"]
_SEMANTIC_VERSION = re.compile(r"\d+\.\d+\.\d+(\+[0-9A-Za-z.-]+)?")


def stac_item(bundle: ModelBundle, folder: Path) -> dict[str, Any]:
    """Describe a bundle that is on disk as a STAC 1.1 item.

    A model has no place of its own, so the geometry is null; its time is when the weights were written.

    Args:
        bundle: The bundle.
        folder: The folder of the item; links to the bundle's files are relative to it.

    Returns:
        The item, as JSON.

    Raises:
        UsageError: The bundle is not on disk.

    Source: https://github.com/stac-extensions/mlm.
    """
    checksum = sha256_of(bundle.weights_path)
    models = {
        "weights": (bundle.weights_path, "Weights", "safetensors.torch.save_file"),
        "graph": (bundle.graph_path, "ONNX graph: scaled chips in, logits out", "onnx"),
    }
    if bundle.int8_path is not None:
        models["graph-int8"] = (bundle.int8_path, "ONNX graph in int8", "onnx")
    assets = {}
    for key, (path, title, artifact) in models.items():
        asset = _asset(path, folder, title, "application/octet-stream")
        assets[key] = asset | {"roles": ["mlm:model"], "mlm:artifact_type": artifact, "bands": _bands(bundle)}
    home = bundle.graph_path.parent
    assets["settings"] = _asset(home / "overland.json", folder, "Settings, statistics and scores", "application/json")
    assets["card"] = _asset(home / "README.md", folder, "Model card", "text/markdown")
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": list(_EXTENSIONS),
        "id": f"{_slug(_name(bundle))}-{checksum[:8]}",
        "geometry": None,
        "properties": _properties(bundle),
        "assets": assets,
        "links": [],
    }


def _properties(bundle: ModelBundle) -> dict[str, Any]:
    written = datetime.fromtimestamp(bundle.weights_path.stat().st_mtime, tz=UTC)
    own = {"chip_size": bundle.chip_size, "halo": bundle.halo, "threshold": bundle.threshold}
    settings = {**bundle.training, **own}
    trained_as = bundle.training.get("model") or {}
    pretrained = bundle.model.get("encoder_weights") or trained_as.get("encoder_weights")
    data = str(bundle.data.get("name") or "unnamed data")
    synthetic = " (synthetic scenes)" if bundle.data.get("synthetic") else ""
    headline = bundle.metrics.get("val", {}).get("headline")
    score = f" {headline['key']} on its validation images: {headline['value']:.3f}." if headline else ""
    properties = {
        "title": _name(bundle),
        "description": f"{_name(bundle)}, trained on {data}{synthetic} with Overland.{score}",
        "datetime": written.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "mlm:name": _slug(_name(bundle)),
        "mlm:architecture": str(bundle.model.get("architecture")),
        "mlm:framework": "PyTorch",
        "mlm:tasks": _TASKS,
        "mlm:pretrained": pretrained is not None,
        "mlm:pretrained_source": pretrained,
        "mlm:input": [
            {
                "name": "image",
                "description": f"Pixels as stored, scaled by band; sides are multiples of {bundle.size_divisor}.",
                "bands": _band_names(bundle),
                "input": _tensor("bands", bundle.in_channels),
                "value_scaling": [
                    {"type": "z-score", "mean": mean, "stddev": std}
                    for mean, std in zip(bundle.mean, bundle.std, strict=True)
                ],
            }
        ],
        "mlm:output": [_output(bundle)],
        "mlm:hyperparameters": {key: value for key, value in settings.items() if value is not None},
        # Here for MLM, which looks for the bands of its input; at the assets for STAC, which wants them there too.
        "bands": _bands(bundle),
    }
    version = str(bundle.versions.get("torch", ""))
    if _SEMANTIC_VERSION.fullmatch(version):
        properties["mlm:framework_version"] = version
    if bundle.resolution_m is not None:
        properties["gsd"] = bundle.resolution_m
    return properties


def _name(bundle: ModelBundle) -> str:
    wanted = [name for index, name in enumerate(bundle.legend.names) if index != bundle.legend.background]
    return f"{bundle.model.get('architecture')} for {', '.join(wanted)}"


def _output(bundle: ModelBundle) -> dict[str, Any]:
    if bundle.activation == "sigmoid":
        limit = 0.5 if bundle.threshold is None else bundle.threshold
        rule = f"Logit of class 1; a pixel is class 1 where its sigmoid is at least {limit:.4g}."
    else:
        rule = "Logits; softmax over the classes gives probabilities, the largest decides."
    classes = [
        {"value": index, "name": _slug(name), "description": name, "color_hint": "{:02X}{:02X}{:02X}".format(*color)}
        for index, (name, color) in enumerate(zip(bundle.legend.names, bundle.legend.colors, strict=True))
    ]
    return {
        "name": "logits",
        "description": rule,
        "tasks": _TASKS,
        "result": _tensor("class", bundle.num_outputs),
        "classification:classes": classes,
    }


def _tensor(channels: str, count: int) -> dict[str, Any]:
    return {
        "shape": [-1, count, -1, -1],
        "dim_order": ["batch", channels, "height", "width"],
        "data_type": "float32",
    }


def _bands(bundle: ModelBundle) -> list[dict[str, Any]]:
    return [{"name": name, "data_type": bundle.dtype} for name in _band_names(bundle)]


def _band_names(bundle: ModelBundle) -> list[str]:
    return [f"band-{number}" for number in bundle.bands]


def _asset(path: Path, folder: Path, title: str, kind: str) -> dict[str, Any]:
    try:
        place = os.path.relpath(path.resolve(), folder.resolve()).replace(os.sep, "/")
        place = place if place.startswith("../") else f"./{place}"
    except ValueError:  # another drive
        place = path.resolve().as_uri()
    return {
        "href": place,
        "title": title,
        "type": kind,
        "roles": ["metadata"],
        "file:size": path.stat().st_size,
        "file:checksum": f"1220{sha256_of(path)}",  # multihash: sha2-256, 32 bytes
    }


def _slug(name: str) -> str:
    return re.sub(r"[^0-9A-Za-z]+", "-", name).strip("-").lower() or "class"
