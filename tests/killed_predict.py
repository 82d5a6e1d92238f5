"""Predict in a process that kills itself. Run as a script: python killed_predict.py FOLDER KILL.

FOLDER holds the bundle `m` and the scene `s.tif`. KILL is `window:3` (SIGKILL at the third run of the model), `sync:5`
(at the fifth fsync), `replace:2`, `copy:1` (when a COG is there, not yet read back), `last:1`
(when all but one output is in place), `after:0.05` (after so many seconds) or `never`.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from overland.inference.engines.onnx import OnnxEngine
from overland.raster import row_blocks as row_bands
from overland.raster import write as output
from overland.workflows.predict import predict

OPTIONS = {"engine": "onnx", "chip_size": 128}


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _die_at(owner: Any, name: str, number: int, *, pause_s: float = 0.0, after: bool = False) -> None:
    real, calls = getattr(owner, name), itertools.count(1)

    def call(*arguments: Any, **options: Any) -> Any:
        # Two threads may call at once: each keeps the number that it drew.
        drawn = next(calls)
        time.sleep(pause_s)
        if drawn == number and not after:
            _die()
        result = real(*arguments, **options)
        if drawn == number:
            _die()
        return result

    setattr(owner, name, call)


def _arm(kill: str) -> None:
    kind, _, amount = kill.partition(":")
    _die_at(OnnxEngine, "run", int(amount) if kind == "window" else 0, pause_s=0.001)
    if kind == "sync":
        _die_at(os, "fsync", int(amount))
    elif kind == "replace":
        _die_at(Path, "replace", int(amount))
    elif kind == "copy":
        _die_at(output.rasterio.shutil, "copy", int(amount), after=True)
    elif kind == "last":
        _die_at(row_bands, "put_in_place", 2)
    elif kind == "after":
        threading.Timer(float(amount), _die).start()


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    _arm(sys.argv[2])
    predict(folder / "m", folder / "s.tif", folder / "o.tif", probabilities=folder / "p.tif", **OPTIONS)
