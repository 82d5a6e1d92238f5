"""Feed mutated inputs to every reader: each is read or refused in one sentence, in bounded time and memory.

python tests/reliability/fuzz.py [--only NAME] [--minutes M] [--seed N] [--json FILE]
python tests/reliability/fuzz.py --repeat NAME NUMBER      # one case again, with its traceback

A case is a seed file, mutated by its number: bits flipped, cut off, parts doubled, dropped or zeroed, numbers replaced
by extreme ones, text by other text, values of JSON by values of another kind. Right is an answer or an `OverlandError`.
Wrong is any other exception, a process that dies (a crash in a C library), more than 20 s, or more than 3 GB.

Readers run in processes of their own. Each wrong case is printed with its number; a table ends the run.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import json
import logging
import os
import queue
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

LIMIT_S, HANG_S = 20, 120
MEMORY = 3 << 30
NUMBERS = (
    "0",
    "-1",
    "1",
    "255",
    "256",
    "65536",
    "2147483648",
    "9223372036854775808",
    "1e308",
    "-1e308",
    "nan",
    "inf",
    "0.5",
)
WORDS = ("", "null", "true", "[]", "{}", "../../x", "/dev/null", "a" * 300, "\x00", "\x1b[2J", "ß", "=1+1", "%s%n")
VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    10**30,
    1.5,
    float("nan"),
    float("inf"),
    "",
    "x",
    [],
    {},
    [[]],
    {"a": 1},
    "1",
)


# Mutations.


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Return a file's bytes with one to four mutations.

    Args:
        data: The file.
        chance: Draws kinds and places.

    Returns:
        Other bytes; text and JSON are mutated by their parts half of the time.
    """
    text = _is_text(data)
    for _ in range(chance.randint(1, 4)):
        if text and data[:1] in b"{[" and chance.random() < 0.5:
            data = _mutated_json(data, chance)
        elif text and chance.random() < 0.7:
            data = _mutated_text(data, chance)
        else:
            data = _mutated_bytes(data, chance)
    return data


def _is_text(data: bytes) -> bool:
    try:
        return b"\x00" not in data and bool(data.decode())
    except UnicodeDecodeError:
        return False


def _mutated_bytes(data: bytes, chance: random.Random) -> bytes:
    if not data:
        return chance.randbytes(chance.randint(0, 64))
    # Headers hold the sizes and the offsets, so half of the mutations go there.
    limit = min(len(data), 512) if chance.random() < 0.5 else len(data)
    first = chance.randrange(limit)
    last = min(len(data), first + chance.choice((1, 2, 4, 8, 64, 1024)))
    part = data[first:last]
    kinds = (
        lambda: data[:first] + bytes([data[first] ^ (1 << chance.randrange(8))]) + data[first + 1 :],
        lambda: data[:first],
        lambda: data[:first] + data[last:],
        lambda: data[:last] + part + data[last:],
        lambda: data[:first] + b"\x00" * len(part) + data[last:],
        lambda: data[:first] + b"\xff" * len(part) + data[last:],
        lambda: data[:first] + chance.randbytes(len(part)) + data[last:],
        lambda: data[:first] + chance.randbytes(8) + data[first:],
    )
    return chance.choice(kinds)()


def _mutated_text(data: bytes, chance: random.Random) -> bytes:
    text = data.decode(errors="replace")
    found = list(re.finditer(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|[A-Za-z_]\w*", text))
    lines = text.splitlines(keepends=True)
    kind = chance.randrange(5)
    if kind == 0 and lines:
        lines.insert(chance.randrange(len(lines) + 1), chance.choice(lines))
        text = "".join(lines)
    elif kind == 1 and lines:
        del lines[chance.randrange(len(lines))]
        text = "".join(lines)
    elif found:
        place = chance.choice(found)
        pool = NUMBERS if kind < 4 else WORDS
        text = text[: place.start()] + chance.choice(pool) + text[place.end() :]
    return text.encode(chance.choice(("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1")), errors="replace")


def _mutated_json(data: bytes, chance: random.Random) -> bytes:
    try:
        values = json.loads(data)
    except ValueError:
        return _mutated_text(data, chance)
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, item in items:
            places.append((node, key))
            walk(item)

    walk(values)
    if places:
        node, key = chance.choice(places)
        kind = chance.randrange(3)
        if kind == 0:
            node[key] = chance.choice(VALUES)
        elif kind == 1:
            del node[key]
        else:
            other, name = chance.choice(places)
            with contextlib.suppress(KeyError, IndexError):
                node[key] = other[name]
    try:
        return json.dumps(values).encode()
    except (ValueError, RecursionError):
        return data


# Readers.


@dataclass(frozen=True)
class Reader:
    """A reader and its seed files.

    Attributes:
        name: Its name in the report.
        seeds: Files in the folder of inputs that are mutated, one of them in each case.
        read: Reads the mutated copy: `read(path, inputs, work)`, with a folder for outputs.
        needs: A module that it needs.
    """

    name: str
    seeds: tuple[str, ...]
    read: Callable[[Path, Path, Path], object]
    needs: str = "overland"


def _ol() -> Any:
    import overland

    return overland


def _predict(path: Path, inputs: Path, work: Path) -> object:
    return _ol().predict(inputs / "model", path, work / "map.tif", engine="onnx", overwrite=True)


def _areas(path: Path, inputs: Path, work: Path) -> object:
    return _ol().areas(path)


def _postprocess(path: Path, inputs: Path, work: Path) -> object:
    return _ol().postprocess(path, work / "clean.tif", majority=3, overwrite=True)


def _rasterize(path: Path, inputs: Path, work: Path) -> object:
    return _ol().rasterize(path, inputs / "scene.tif", work / "mask.tif", width_m=2.0, overwrite=True)


def _zones(path: Path, inputs: Path, work: Path) -> object:
    return _ol().areas(inputs / "truth.tif", zones=path)


def _road_graph(path: Path, inputs: Path, work: Path) -> object:
    return _ol().evaluate_roads(inputs / "true_roads.gpkg", path, output=work / "scores", overwrite=True)


def _points(path: Path, inputs: Path, work: Path) -> object:
    return _ol().assess_estimate(path, inputs / "truth.tif")


def _dataset_file(name: str) -> Callable[[Path, Path, Path], object]:
    def read(path: Path, inputs: Path, work: Path) -> object:
        folder = work / "set"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(inputs / "roads", folder)
        shutil.copyfile(path, folder / name)
        return _ol().check_data(folder)

    return read


def _coco(path: Path, inputs: Path, work: Path) -> object:
    return _ol().prepare_coco(path, inputs / "coco", work / "coco-set", overwrite=True)


def _reseal(folder: Path) -> None:
    # Checksums that are right again, so that the values are looked at and not only their checksum.
    import hashlib

    from overland.bundle import manifest_seal

    manifest = folder / "overland.json"
    with contextlib.suppress(ValueError, TypeError, AttributeError, KeyError, RecursionError):
        values = json.loads(manifest.read_bytes())
        for name in values["sha256"]:
            with contextlib.suppress(OSError):
                values["sha256"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        values["seal"] = manifest_seal(values)
        manifest.write_text(json.dumps(values))


def _bundle_file(name: str) -> Callable[[Path, Path, Path], object]:
    def read(path: Path, inputs: Path, work: Path) -> object:
        folder = work / "model"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(inputs / "model", folder)
        shutil.copyfile(path, folder / name)
        _reseal(folder)
        return _ol().predict(folder, inputs / "scene.tif", work / "map.tif", engine="onnx", overwrite=True)

    return read


def _keras(path: Path, inputs: Path, work: Path) -> object:
    return _ol().import_keras(path, work / "bundle", names=["road"], overwrite=True)


def _settings(path: Path, inputs: Path, work: Path) -> object:
    from overland.training.settings import train_settings_from_source

    return train_settings_from_source(path, {})


def _journal(path: Path, inputs: Path, work: Path) -> object:
    part = work / "resumed.tif.part"
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(inputs / "resumed.tif.part", part)
    shutil.copyfile(path, part / "journal.jsonl")
    (work / "resumed.tif").unlink(missing_ok=True)
    return _ol().predict(inputs / "model", inputs / "scene.tif", work / "resumed.tif", engine="onnx")


def _archive(path: Path, inputs: Path, work: Path) -> object:
    return _ol().download("camvid", output=work / "camvid", archives=[path], overwrite=True)


READERS = (
    Reader("scene", ("scene.tif", "scene.png", "scene.jpg", "scene16.tif", "scene.vrt"), _predict),
    Reader("class map", ("truth.tif", "truth.png"), _areas),
    Reader("class map in blocks", ("truth.tif",), _postprocess),
    Reader("vectors", ("labels.gpkg", "labels.geojson", "true_roads.gpkg", "labels.parquet"), _rasterize),
    Reader("zones", ("parishes.gpkg", "labels.geojson"), _zones),
    Reader("road graph", ("true_roads.gpkg", "true_roads.geojson"), _road_graph),
    Reader("sample points", ("points.gpkg", "points.csv"), _points),
    Reader("dataset YAML", ("roads/data.yaml",), _dataset_file("data.yaml")),
    Reader("mask", ("roads/masks/train/train0.tif",), _dataset_file("masks/train/train0.tif")),
    Reader("image", ("roads/images/train/train0.tif",), _dataset_file("images/train/train0.tif")),
    Reader("COCO", ("coco.json",), _coco),
    Reader("manifest", ("model/overland.json",), _bundle_file("overland.json")),
    Reader("ONNX graph", ("model/model.onnx",), _bundle_file("model.onnx")),
    Reader("weights", ("model/model.safetensors",), _bundle_file("model.safetensors")),
    Reader("Keras file", ("bright.h5",), _keras, needs="torch"),
    Reader("training settings", ("settings.yaml",), _settings),
    Reader("journal", ("resumed.tif.part/journal.jsonl",), _journal),
    Reader("archive", ("camvid.zip",), _archive),
)


def build(folder: Path) -> Path:
    """Make the seed files.

    Args:
        folder: An empty folder.

    Returns:
        The folder.
    """
    import chaos
    import numpy as np
    from PIL import Image

    from overland.raster import create_raster, open_scene
    from overland.vector import read_layer, write_features

    chaos.build(folder)
    with open_scene(folder / "scene.tif") as scene:
        grid = scene.grid
        pixels = scene.read(grid.window)[0]
    Image.fromarray(np.moveaxis(pixels, 0, -1)).save(folder / "scene.png")
    Image.fromarray(np.moveaxis(pixels, 0, -1)).save(folder / "scene.jpg")
    with create_raster(folder / "scene16.tif", grid, count=3, dtype="uint16") as writer:
        writer.write(pixels.astype(np.uint16) * 100, grid.window)
    (folder / "scene.vrt").write_text(_vrt(folder / "scene.tif", pixels.shape))
    for name, suffix in (("labels", "geojson"), ("labels", "parquet"), ("true_roads", "geojson"), ("points", "csv")):
        if suffix == "parquet" and importlib.util.find_spec("pyarrow") is None:
            continue
        if suffix == "csv":
            rows = ["x,y,stratum,reference", *(f"{500000 + 7 * i},{5199900 - 3 * i},road,road" for i in range(20))]
            (folder / "points.csv").write_text("\n".join(rows) + "\n")
            continue
        write_features(folder / f"{name}.{suffix}", [read_layer(folder / f"{name}.gpkg")])
    (folder / "settings.yaml").write_text(
        "model: {architecture: PlainUnet, width: 8}\nloss: {cross_entropy: 1, dice: 0.5}\nepochs: 3\nlr: 0.01\n"
        "bands: [1, 2, 3]\namp: true\nname: x\nlr_epochs: [1, 2]\n"
    )
    _interrupted_run(folder)
    return folder


def _vrt(path: Path, shape: tuple[int, ...]) -> str:
    bands = "".join(
        f'<VRTRasterBand dataType="Byte" band="{band}"><SimpleSource><SourceFilename relativeToVRT="0">{path}'
        f"</SourceFilename><SourceBand>{band}</SourceBand></SimpleSource></VRTRasterBand>"
        for band in range(1, shape[0] + 1)
    )
    return f'<VRTDataset rasterXSize="{shape[2]}" rasterYSize="{shape[1]}">{bands}</VRTDataset>'


def _interrupted_run(folder: Path) -> None:
    """Leave a run of predict that was stopped after its first rows."""
    ol = _ol()

    def stop(done: float, total: float) -> None:
        raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        ol.predict(folder / "model", folder / "scene.tif", folder / "resumed.tif", engine="onnx", on_progress=stop)
    (folder / "resumed.tif.part").mkdir(exist_ok=True)
    (folder / "resumed.tif.part" / "journal.jsonl").touch()


# Runs.


def try_case(reader: Reader, number: int, inputs: Path, work: Path, seed: int) -> str:
    """Run one case.

    Args:
        reader: The reader.
        number: The number of the case, which draws its mutations.
        inputs: The folder of `build`.
        work: A folder for the mutated copy and outputs.
        seed: Seed of the whole run.

    Returns:
        "read", "refused", or a text that says what went wrong.
    """
    from overland.cli.console import exit_code_of
    from overland.errors import OverlandError

    chance = random.Random(f"{seed} {reader.name} {number}")
    name = chance.choice([name for name in reader.seeds if (inputs / name).is_file()])
    path = work / f"case{number}{Path(name).suffix}"
    path.write_bytes(mutated((inputs / name).read_bytes(), chance))
    # Time of the processor, as others may use the machine; the parent process looks at the clock.
    signal.signal(signal.SIGPROF, _out_of_time)
    signal.setitimer(signal.ITIMER_PROF, LIMIT_S)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            reader.read(path, inputs, work)
    except OverlandError as error:
        text = str(error)
        return "refused" if text.strip() else "an error without a sentence"
    except BaseException as error:  # noqa: BLE001 - every other exception is what is looked for
        if exit_code_of(error)[1] not in (1, 130):
            return "refused"  # the command line makes a sentence of it: a name that the system refuses, say
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {str(error)[:160]} ({Path(place.filename).name}:{place.lineno}, seed {name})"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        path.unlink(missing_ok=True)
    return "read"


class _OutOfTimeError(BaseException):
    """A case took too long."""


def _out_of_time(*_: object) -> None:
    raise _OutOfTimeError(f"more than {LIMIT_S} s of a processor")


def _worker(name: str, first: int, count: int, inputs: Path, work: Path, seed: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    logging.getLogger("overland").setLevel(logging.CRITICAL)
    reader = next(reader for reader in READERS if reader.name == name)
    work.mkdir(parents=True, exist_ok=True)
    os.chdir(work)
    # One case in earnest first: what the libraries take to load is not the input's.
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    for number in range(first, first + count):
        print(json.dumps([number, None]), flush=True)
        outcome = try_case(reader, number, inputs, work, seed)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
        if peak - base > MEMORY:
            outcome = f"took {peak / 1e9:.1f} GB"
            base = peak
        print(json.dumps([number, outcome]), flush=True)


def fuzz(reader: Reader, inputs: Path, work: Path, *, seconds: float, seed: int = 0) -> dict[str, Any]:
    """Try cases of one reader until time is up.

    Args:
        reader: The reader.
        inputs: The folder of `build`.
        work: A folder of its own.
        seconds: Time for new cases.
        seed: Seed of the run.

    Returns:
        The numbers `cases`, `read`, `refused`, and `wrong`: a text for each case that went wrong, by its number.
    """
    found: dict[str, Any] = {"cases": 0, "read": 0, "refused": 0, "wrong": {}}
    # The time of the first case is that of loading libraries.
    ends = time.monotonic() + 120
    number = 0
    while time.monotonic() < ends:
        command = [
            sys.executable,
            __file__,
            "--worker",
            reader.name,
            str(number),
            "100000",
            str(inputs),
            str(work),
            str(seed),
        ]
        child = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        lines: queue.Queue[str | None] = queue.Queue()
        forward = threading.Thread(target=_forward, args=(child, lines), daemon=True)
        forward.start()
        while time.monotonic() < ends:
            try:
                line = lines.get(timeout=HANG_S)
            except queue.Empty:
                found["wrong"][number] = f"hung for {HANG_S} s"
                break
            if line is None:
                found["wrong"][number] = f"its process ended with {child.wait()}"
                break
            number, outcome = json.loads(line)
            if outcome is not None:
                if not found["cases"]:
                    ends = time.monotonic() + seconds
                found["cases"] += 1
                if outcome in ("read", "refused"):
                    found[outcome] += 1
                else:
                    found["wrong"][number] = outcome
        child.kill()
        child.wait()
        forward.join()
        number += 1
    return found


def _forward(child: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert child.stdout is not None
    with child.stdout:
        for line in child.stdout:
            if line.startswith("["):
                lines.put(line)
    lines.put(None)


def main() -> int:
    """Try every reader and print what went wrong; return the exit code."""
    if sys.argv[1:2] == ["--worker"]:
        name, first, count, inputs, work, seed = sys.argv[2:]
        _worker(name, int(first), int(count), Path(inputs), Path(work), int(seed))
        return 0
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="NAME", help="readers whose name holds this")
    parser.add_argument("--minutes", type=float, default=4.0, help="time for all readers [4]")
    parser.add_argument("--seed", type=int, default=0, help="draws the mutations [0]")
    parser.add_argument("--repeat", nargs=2, metavar=("NAME", "NUMBER"), help="one case again")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures")
    options = parser.parse_args()
    chosen = [
        reader
        for reader in READERS
        if options.only in reader.name and importlib.util.find_spec(reader.needs) is not None
    ]
    rows: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="overland-fuzz-") as name:
        inputs = build(Path(name) / "in")
        work = Path(name) / "work"
        if options.repeat:
            return _repeat(*options.repeat, inputs, work, options.seed)
        for reader in chosen:
            seconds = options.minutes * 60 / len(chosen)
            found = rows[reader.name] = fuzz(reader, inputs, work / reader.name, seconds=seconds, seed=options.seed)
            for line in _distinct(found["wrong"]):
                print(f"WRONG {reader.name} {line}", flush=True)
            counts = f"{found['read']} read, {found['refused']} refused, {len(found['wrong'])} wrong"
            print(f"{reader.name}: {found['cases']} cases, {counts}", flush=True)
    wrong = sum(len(row["wrong"]) for row in rows.values())
    print(f"{len(rows)} readers, {sum(row['cases'] for row in rows.values())} cases, {wrong} wrong")
    if options.json:
        from chaos import keep

        counted = {name: {**row, "wrong": len(row["wrong"])} for name, row in rows.items()}
        keep(options.json, f"python tests/reliability/fuzz.py --minutes {options.minutes:g}", counted)
    return bool(wrong)


def _distinct(wrong: dict[int, str]) -> list[str]:
    """Return one line for each place that fails, with the number of its first case."""
    by_place: dict[str, list[int]] = {}
    for number, text in wrong.items():
        place = re.search(r"\(([\w.]+:\d+), seed", text)
        by_place.setdefault(f"{text.partition(':')[0]} {place[1]}" if place else text, []).append(number)
    return [f"{numbers[0]}: {wrong[numbers[0]]} [{len(numbers)} times]" for numbers in by_place.values()]


def _repeat(name: str, number: str, inputs: Path, work: Path, seed: int) -> int:
    reader = next(reader for reader in READERS if reader.name == name)
    work.mkdir(parents=True, exist_ok=True)
    chance = random.Random(f"{seed} {reader.name} {int(number)}")
    seed_name = chance.choice([name for name in reader.seeds if (inputs / name).is_file()])
    path = work / f"case{number}{Path(seed_name).suffix}"
    path.write_bytes(mutated((inputs / seed_name).read_bytes(), chance))
    print(reader.read(path, inputs, work))
    return 0


if __name__ == "__main__":
    sys.exit(main())
