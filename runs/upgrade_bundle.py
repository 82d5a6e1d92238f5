"""Bring a model bundle of format 1 to today's format, in place.

    python runs/upgrade_bundle.py FOLDER... [--measure] [--scenes SCENE...]

Keys that have other names now are renamed, the manifest gets its seal. With --measure the network's memory is measured
anew, and with it the window that belongs to the model; with --scenes the halo as well, on windows of these scenes. A
bundle of today's format is measured or sealed again as it is.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from overland.bundle import ModelBundle, load_bundle, manifest_seal
from overland.inference.measure import measured_bundle
from overland.inference.memory import measure_memory_per_pixel, window_for

__all__ = ["reseal", "upgrade"]

_FORMAT = 2
_FILES = ("model.safetensors", "model.onnx", "model.int8.onnx", "config.json")
_CONFIG_KEYS = {"squash": "fixed_size", "squash_nearest": "fixed_size_nearest"}
_KEYS = {"nodata_share": "nodata_fraction", "unpredicted_share": "unpredicted_fraction"}


def upgrade(folder: Path) -> ModelBundle:
    """Rename keys, add what is missing, and seal."""
    config_path = folder / "config.json"
    config = json.loads(config_path.read_text(encoding="utf-8"))
    if any(key in config for key in _CONFIG_KEYS):
        config = {_CONFIG_KEYS.get(key, key): value for key, value in config.items()}
        _write(config_path, config)
    manifest = _renamed(json.loads((folder / "overland.json").read_text(encoding="utf-8")))
    manifest.setdefault("window", None)
    manifest["format"] = _FORMAT
    _write(folder / "overland.json", manifest)
    reseal(folder)
    return load_bundle(folder)


def reseal(folder: Path) -> None:
    """Compute the checksums of a bundle's files and the seal of its manifest anew."""
    path = folder / "overland.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["sha256"] = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in _FILES if (folder / name).is_file()
    }
    manifest["seal"] = manifest_seal(manifest)
    _write(path, manifest)


def measure(folder: Path, scenes: list[Path]) -> ModelBundle:
    """Measure the network's memory and window, with scenes its halo too, and write them into the manifest."""
    bundle = load_bundle(folder)
    if scenes:
        bundle = measured_bundle(bundle, scenes)
    else:
        bytes_per_pixel = measure_memory_per_pixel(bundle)
        window = window_for(bytes_per_pixel, halo=bundle.halo, divisor=bundle.size_divisor)
        bundle = replace(bundle, bytes_per_pixel=bytes_per_pixel, window=None if bundle.fixed_size else window)
    path = folder / "overland.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest |= {"halo": bundle.halo, "bytes_per_pixel": bundle.bytes_per_pixel, "window": bundle.window}
    _write(path, manifest)
    reseal(folder)
    return load_bundle(folder)


def _renamed(value: Any) -> Any:
    if isinstance(value, dict):
        return {_KEYS.get(key, key): _renamed(item) for key, item in value.items()}
    return [_renamed(item) for item in value] if isinstance(value, list) else value


def _write(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    """Upgrade each folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--scenes", nargs="*", type=Path, default=[])
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for folder in options.folders:
        bundle = upgrade(folder)
        if options.measure or options.scenes:
            bundle = measure(folder, options.scenes)
        print(f"{folder}: halo {bundle.halo}, {bundle.bytes_per_pixel} bytes a pixel, window {bundle.window}")


if __name__ == "__main__":
    main()
