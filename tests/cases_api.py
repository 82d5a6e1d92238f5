#!/usr/bin/env python3
"""The names of Overland that a collection of cases uses, in today's spelling: a bridge for cases written for 67fed63.

It translates names only, of functions, parameters, flags, files and keys. As a program it is the command line of
67fed63: it translates the words, runs `overland`, and names the keys of `--json` as they were.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_FLAGS = {
    "--scores": "--probabilities",
    "--val-share": "--val-fraction",
    "--form": "--variant",
    "--n": "--points",
    "--flip": "--flipud",
    "--no-flip": "--no-flipud",
    "--mirror": "--fliplr",
    "--no-mirror": "--no-fliplr",
}
_KEYS = {"issues": "findings"}
_HOMES = {
    "OverlandError": "overland.errors",
    "open_scene": "overland.raster",
    "read_sample": "overland.datasets",
    "settings_from_hyperparameters": "overland.sagemaker.hyperparameters",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(name)


def _verb(name: str, **renamed: str) -> Any:
    def call(*arguments: Any, **options: Any) -> dict[str, Any]:
        import overland

        given = {renamed.get(option, option): value for option, value in options.items()}
        return getattr(overland, name)(*arguments, **given).to_dict()

    return call


predict = _verb("predict", scores="probabilities")
vectorize = _verb("vectorize", scores="probabilities")
rasterize = _verb("rasterize")
measure_areas = _verb("areas")
postprocess = _verb("postprocess")
evaluate_masks = _verb("evaluate_map")
evaluate_graphs = _verb("evaluate_roads", form="variant")
make_report = _verb("report")
draw_sample = _verb("assess_sample")


def dataset_from_path(path: str | Path, **options: Any) -> Any:
    """Return the dataset of a folder or a YAML file."""
    from overland.datasets import read_dataset

    return read_dataset(path, **options)


def pretrained(name: str) -> Path:
    """Return the folder of a pretrained model."""
    import overland.pretrained

    return Path(overland.pretrained.__file__).parent / name


def openvino_engine(folder: str | Path, threads: int, streams: int) -> Any:
    """Return an engine whose `run(chips)` may be called from several threads."""
    from overland.bundle import load_bundle
    from overland.inference.engines.openvino import OpenvinoEngine

    return OpenvinoEngine(load_bundle(Path(folder)), threads=threads, workers=streams)


def manifest_key(name: str) -> str:
    """Return today's key of a value of a bundle's manifest."""
    return name


def reseal(folder: str | Path) -> None:
    """Give a changed manifest a checksum that is right again, as a forger could."""
    from overland.bundle import manifest_seal

    path = Path(folder) / "overland.json"
    try:
        manifest = json.loads(path.read_bytes())
        path.write_text(json.dumps({**manifest, "seal": manifest_seal(manifest)}))
    except (ValueError, TypeError, RecursionError):
        return  # no manifest that could have one


def words(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of a command line of 67fed63 in today's spelling."""
    now = [_FLAGS.get(word, word) for word in arguments]
    if now[:1] == ["evaluate"] and "--graph" in now:
        return ["evaluate-roads", *_leading(now[1:], "--graph")]
    if now[:1] == ["evaluate"] and "--prediction" in now and "--target" in now:
        return ["evaluate-map", *_leading(now[1:], "--prediction", "--target")]
    if now[:1] == ["evaluate"] and "--data" in now and len(now) > 1 and not now[1].startswith("-"):
        return ["evaluate", now[1], *_leading(now[2:], "--data")]
    if now[:1] == ["evaluate"] and "--data" in now:
        place = now.index("--data")
        data = now[place : place + 2]
        del now[place : place + 2]
        first = [now[1]] if len(now) > 1 and not now[1].startswith("-") else []
        return ["evaluate", *first, *data[1:], *now[1 + len(first) :]]
    return now


def _leading(arguments: Sequence[str], *flags: str) -> list[str]:
    # The values of the flags come first, as positional arguments in their order.
    rest = list(arguments)
    first = []
    for flag in flags:
        place = rest.index(flag)
        first += rest[place + 1 : place + 2]
        del rest[place : place + 2]
    return [*first, *rest]


def _renamed(values: Any) -> Any:
    if isinstance(values, dict):
        return {_KEYS.get(key, key): _renamed(value) for key, value in values.items()}
    return [_renamed(value) for value in values] if isinstance(values, list) else values


def _command() -> str:
    return str(Path(sys.executable).parent / "overland")


def _main() -> int:
    done = subprocess.run(
        [os.environ.get("CASES_OVERLAND") or _command(), *words(sys.argv[1:])],
        stdout=subprocess.PIPE if "--json" in sys.argv else None,
        check=False,
    )
    if "--json" in sys.argv:
        try:
            print(json.dumps(_renamed(json.loads(done.stdout))))
        except ValueError:
            sys.stdout.buffer.write(done.stdout)
    return done.returncode


if __name__ == "__main__":
    sys.exit(_main())

# Cases that call the command line themselves name it in the variable OVERLAND, which they read when they are imported.
if "common" in sys.modules and hasattr(sys.modules["common"], "OVERLAND"):
    os.environ.setdefault("CASES_OVERLAND", sys.modules["common"].OVERLAND)
    # The variables of the commands were copied when the module was imported.
    getattr(sys.modules["common"], "ENV", {})["CASES_OVERLAND"] = os.environ["CASES_OVERLAND"]
    sys.modules["common"].OVERLAND = str(Path(__file__).resolve())
