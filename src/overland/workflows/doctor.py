"""What is installed, what the machine has, and what is missing."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
from pathlib import Path
from typing import Any

from overland.inference.machine import cpu_count, cpu_features
from overland.raster import library_versions
from overland.version import __version__

__all__ = ["doctor"]

_BASE = (
    "numpy",
    "scipy",
    "scikit-image",
    "rasterio",
    "shapely",
    "pyogrio",
    "pyproj",
    "onnxruntime",
    "matplotlib",
    "rich",
)
_EXTRAS = {
    "train": (
        "torch",
        "torchvision",
        "lightning",
        "segmentation-models-pytorch",
        "timm",
        "opencv-python-headless",
        "onnx",
    ),
    "speed": ("onnx", "openvino"),
    "web": ("fastapi", "python-multipart", "streamlit", "uvicorn"),
    "parquet": ("pyarrow",),
}

# What makes eight bits and bf16 fast; without them they are emulated.
_FEATURES = frozenset({"avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimddp"})


def doctor(folder: str | Path = ".") -> dict[str, Any]:
    """Look at the machine and the installation.

    Gives `versions` by package (None for what is not installed), `extras` (whether each is complete), `gdal`, `engines`
    with their devices, `machine` (with the features of its processor that decide over speed) and
    `disk_free_gb` of `folder`.
    """
    versions = {name: _version_of(name) for name in (*_BASE, *(name for names in _EXTRAS.values() for name in names))}
    return {
        "overland": __version__,
        "python": platform.python_version(),
        "versions": versions,
        "extras": {extra: all(versions[name] for name in names) for extra, names in _EXTRAS.items()},
        "gdal": library_versions(),
        "engines": {"openvino": _openvino_devices(), "onnx": _onnx_providers(), "torch": _torch_devices()},
        "machine": {
            "system": platform.platform(),
            "cpus": cpu_count(),
            "features": sorted(cpu_features() & _FEATURES),
            "memory_gb": _memory_gb(),
        },
        "disk_free_gb": round(shutil.disk_usage(folder).free / 1e9, 1),
        "executable": sys.executable,
    }


def _version_of(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _openvino_devices() -> list[str]:
    if importlib.util.find_spec("openvino") is None:
        return []
    from overland.inference.engines.openvino import available_devices

    return available_devices()


def _onnx_providers() -> list[str]:
    import onnxruntime

    return [str(name) for name in onnxruntime.get_available_providers()]


def _torch_devices() -> list[str]:
    if importlib.util.find_spec("torch") is None:
        return []
    from overland.inference.engines.torch import available_devices

    return available_devices()


def _memory_gb() -> float | None:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1)
