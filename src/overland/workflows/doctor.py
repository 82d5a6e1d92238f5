"""Describe the installation and the machine: packages, engines, memory and disk."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from overland.inference.machine import cpu_count, cpu_features
from overland.raster import library_versions
from overland.result import Result
from overland.version import __version__

__all__ = ["DoctorResult", "Machine", "doctor"]

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

# They make int8 and bf16 fast; without them both are emulated.
_FEATURES = frozenset({"avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimddp"})


@dataclass(frozen=True)
class Machine:
    """The machine that Overland runs on.

    Attributes:
        system: Operating system and its version.
        cpus: Number of processors that this process may use.
        features: Features of the processor that decide over the speed of int8 and bf16.
        memory_gb: Memory in GB (10^9 bytes); None where the system does not say.
    """

    system: str
    cpus: int
    features: tuple[str, ...]
    memory_gb: float | None


@dataclass(frozen=True)
class DoctorResult(Result):
    """The installation and the machine.

    Attributes:
        overland: Version of Overland.
        python: Version of Python.
        versions: Versions of packages by name; None for one that is not installed.
        extras: True for each extra that is complete, by name.
        gdal: Versions of GDAL and the libraries beneath it, by name.
        engines: Devices of each engine, by its name; none where it is not installed.
        machine: The machine.
        disk_free_gb: Free space on the disk of the folder, in GB (10^9 bytes).
        executable: Path of Python.
    """

    overland: str
    python: str
    versions: dict[str, str | None]
    extras: dict[str, bool]
    gdal: dict[str, str]
    engines: dict[str, list[str]]
    machine: Machine
    disk_free_gb: float
    executable: str


def doctor(*, folder: str | Path = ".") -> DoctorResult:
    """Print versions, GDAL, devices, engines and disk; attach it to a report of a fault.

    Args:
        folder: Folder whose disk is looked at.

    Returns:
        Versions of packages, complete extras, GDAL's libraries, engines with their devices, the machine and its disk.
    """
    versions: dict[str, str | None] = {}
    for name in (*_BASE, *(name for names in _EXTRAS.values() for name in names)):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    # Here, for any engine may be missing, and importing one takes seconds.
    import onnxruntime

    engines = {"openvino": [], "onnx": [str(name) for name in onnxruntime.get_available_providers()], "torch": []}
    if importlib.util.find_spec("openvino") is not None:
        from overland.inference.engines import openvino

        engines["openvino"] = openvino.available_devices()
    if importlib.util.find_spec("torch") is not None:
        from overland.inference.engines import torch

        engines["torch"] = torch.available_devices()
    memory_gb = None
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory_gb = round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1)
    return DoctorResult(
        overland=__version__,
        python=platform.python_version(),
        versions=versions,
        extras={extra: all(versions[name] for name in names) for extra, names in _EXTRAS.items()},
        gdal=library_versions(),
        engines=engines,
        machine=Machine(platform.platform(), cpu_count(), tuple(sorted(cpu_features() & _FEATURES)), memory_gb),
        disk_free_gb=round(shutil.disk_usage(folder).free / 1e9, 1),
        executable=sys.executable,
    )
