"""Does a prediction ever hang in its first seconds? Fresh processes, one after the other, until one does.

    python benchmarks/stress_first_use.py [--times 200] [--engine openvino] [--limit 120] [--json OUT]

Each process is the whole command on a PNG of 1,100 x 1,100 pixels in windows of 512, two of them at once, with the
shortest switch interval that Python knows: threads then meet at every step. Before engines were tried once in one
thread, two of six such processes stood still for ever (OpenVINO's first tensor waits for the interpreter's lock with a
guard of C++ held, and the other way round). A process that takes longer than the limit is a hang: where its threads are
is printed, and the script exits 1.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from results import json_option, origin, publish

_SIDE = 1100
_CODE = """
import faulthandler, signal, sys
sys.setswitchinterval(1e-6)
faulthandler.register(signal.SIGUSR1, all_threads=True)
from overland.cli import main
main()
"""


def main() -> None:
    """Run the processes and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--engine", default="openvino")
    parser.add_argument("--model", default="roads")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds that a process may take")
    parser.add_argument("--quick", action="store_true", help="5 processes, for a look")
    json_option(parser)
    options = parser.parse_args()
    times = 5 if options.quick else options.times
    source = origin()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pixels = np.random.default_rng(0).integers(0, 255, (_SIDE, _SIDE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "scene.png")
        seconds = []
        hangs = failures = 0
        for number in range(times):
            ended, took = _once(folder, options.model, options.engine, options.limit)
            hangs += ended is None
            failures += ended not in (0, None)
            seconds.append(took)
            print(f"{number + 1} of {times}: {hangs} hung, {failures} failed, {took:.1f} s", flush=True)
    publish(
        options.json,
        source,
        title="First uses",
        method=f"`overland predict {options.model}` on a PNG of {_SIDE} x {_SIDE} in windows of 512, two at once, each "
        "in a fresh process with sys.setswitchinterval(1e-6).",
        rows=[
            {
                "engine": options.engine,
                "processes": times,
                "hung": hangs,
                "failed": failures,
                "median s": round(float(np.median(seconds)), 1),
                "longest s": round(max(seconds), 1),
            }
        ],
    )
    sys.exit(bool(hangs or failures))


def _once(folder: Path, model: str, engine: str, limit_s: float) -> tuple[int | None, float]:
    words = ["predict", model, folder / "scene.png", folder / "mask.tif", "--overwrite", "-q"]
    words += ["--chip-size", "512", "--max-memory", "8GB", "--engine", engine]
    started = time.monotonic()
    child = subprocess.Popen([sys.executable, "-c", _CODE, *map(str, words)], stderr=subprocess.PIPE, text=True)
    try:
        _, error = child.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGUSR1)
        time.sleep(1)
        child.kill()
        print(child.communicate()[1])
        return None, time.monotonic() - started
    if child.returncode:
        print(error)
    return child.returncode, time.monotonic() - started


if __name__ == "__main__":
    main()
