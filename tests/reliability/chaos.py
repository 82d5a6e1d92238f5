"""Break every verb that writes: kill it, fill its disk, take its rights, start it twice, and look at what is left.

python tests/reliability/chaos.py [--only NAME] [--points N] [--seed N] [--json FILE]

For each verb, after a run that is left alone and gives the reference:

- killed (SIGKILL) just before changes of the disk, at most N of them spread over the run: its output is absent or the
  reference; the same command afterwards gives the reference;
- interrupted (Ctrl-C) at random moments: it ends within 10 s with 130, and its output is absent or the reference;
- on a disk with half of the room that it needs: exit code 5, one sentence, no output, nothing left but unfinished work
  that the same command resumes;
- in a folder of a read-only file system: exit code 2 or 3, one sentence, within the time of the reference;
- started twice at once: one of them is done, the other is done or refuses, the output is the reference.

And always: no traceback, no "fault of Overland", no byte of an input changed. Disks are tmpfs, mounted as root or in a
user namespace; where neither is allowed those two are skipped. Prints one line for each failure and a table at the end.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib.util
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import numpy as np
import shapely

from download_made import segnet_files, zip_of
from howto_made import answer_by_truth, lay_out
from models_made import threshold_bundle
from overland.vector import read_layer
from overland.workflows.assess import assess_sample
from scenes import write_road_dataset

KINDS = ("killed", "interrupted", "full disk", "read-only", "twice")
LIMIT_S = 300
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1", "PYTHONHASHSEED": "0"}


def same_bytes(found: Path, reference: Path) -> bool:
    """Return True for files, or folders of files, with the same contents."""
    if reference.is_dir():
        return found.is_dir() and _hashes(found) == _hashes(reference)
    return found.is_file() and found.read_bytes() == reference.read_bytes()


def same_features(found: Path, reference: Path) -> bool:
    """Return True for vector files with the same features; a GeoPackage also holds the time when it was written."""
    if not found.is_file():
        return False
    one, other = read_layer(found, _first_layer(found)), read_layer(reference, _first_layer(reference))
    return bool(np.array_equal(shapely.to_wkb(one.geometries), shapely.to_wkb(other.geometries)))


def same_names(found: Path, reference: Path) -> bool:
    """Return True for outputs that hold a time or a path: the same files, none of them empty."""
    if reference.is_dir():
        return found.is_dir() and set(_hashes(found)) == set(_hashes(reference))
    return found.is_file() and found.stat().st_size > 0.9 * reference.stat().st_size


def _first_layer(path: Path) -> str | None:
    import pyogrio

    return str(pyogrio.list_layers(path)[0][0])


@dataclass(frozen=True)
class Verb:
    """A command line that writes.

    Attributes:
        name: Its name in the report.
        words: The command line; `{in}` is the folder of the inputs, `{out}` that of the output.
        output: Name of the output in `{out}`.
        same: Compares an output with that of a run that was left alone.
        needs: A module that it needs.
        resumes: True where unfinished work may stay for the same command to go on.
        rereads: True where the same command on a finished output is done instead of being refused.
    """

    name: str
    words: str
    output: str
    same: Callable[[Path, Path], bool] = same_bytes
    needs: str = "overland"
    resumes: bool = False
    rereads: bool = False


VERBS = (
    Verb("predict", "predict {in}/model {in}/scene.tif {out}/map.tif --engine onnx", "map.tif", resumes=True),
    Verb("postprocess", "postprocess {in}/truth.tif {out}/clean.tif --majority 3 --sieve 20", "clean.tif"),
    Verb("rasterize", "rasterize {in}/labels.gpkg {in}/scene.tif {out}/mask.tif --field class", "mask.tif"),
    Verb("vectorize", "vectorize {in}/truth.tif {out}/land.gpkg", "land.gpkg", same_features),
    Verb("vectorize roads", "vectorize {in}/truth.tif {out}/r.gpkg --kind roads --class road", "r.gpkg", same_features),
    Verb("vectorize geojson", "vectorize {in}/truth.tif {out}/land.geojson", "land.geojson"),
    Verb(
        "vectorize graphml",
        "vectorize {in}/truth.tif {out}/r.graphml --kind roads --class road",
        "r.graphml",
        same_names,
    ),
    Verb("areas", "areas {in}/truth.tif --zones {in}/parishes.gpkg -o {out}/areas.csv", "areas.csv"),
    Verb("assess sample", "assess sample {in}/truth.tif {out}/points.gpkg --points 60", "points.gpkg", same_features),
    Verb("assess estimate", "assess estimate {in}/points.gpkg {in}/truth.tif -o {out}/e.csv", "e.csv"),
    Verb(
        "report", "report {in}/model -o {out}/r.html --scene {in}/scene.tif --mask {in}/truth.tif", "r.html", same_names
    ),
    Verb("export bundle", "export {in}/model {out}/copy --format bundle", "copy"),
    Verb("export stac", "export {in}/model {out}/item.json --format stac", "item.json", same_names),
    Verb("data chips", "data chips {in}/roads {out}/chips --chip-size 48", "chips", same_names),
    Verb("data to-channels", "data to-channels {in}/roads {out}/channels", "channels", same_names),
    Verb("data from-coco", "data from-coco {in}/coco.json {in}/coco {out}/set", "set", same_names),
    Verb("data encode", "data encode {in}/truth.png {out}/codes.png --like {in}/roads", "codes.png"),
    Verb(
        "data download",
        "data download camvid -o {out}/camvid --archive {in}/camvid.zip",
        "camvid",
        same_names,
        resumes=True,
        rereads=True,
    ),
    Verb("evaluate", "evaluate {in}/model {in}/roads -o {out}/scores --engine onnx", "scores", same_names),
    Verb("evaluate-map", "evaluate-map {in}/truth.tif {in}/truth.tif -o {out}/scores", "scores", same_names),
    Verb("evaluate-roads", "evaluate-roads {in}/true_roads.gpkg {in}/true_roads.gpkg -o {out}/s", "s", same_names),
    Verb("import-keras", "import-keras {in}/bright.h5 {out}/bundle --names road", "bundle", same_names, needs="torch"),
    Verb("export compact", "export {in}/model {out}/small --format compact", "small", same_names, needs="torch"),
    Verb(
        "train",
        "train --data {in}/roads --epochs 1 --imgsz 32 --batch 8 --project {out}/runs --name r",
        "runs/r",
        same_names,
        needs="torch",
        resumes=True,
        rereads=True,
    ),
)


def build(folder: Path) -> Path:
    """Make the inputs of all verbs.

    Args:
        folder: An empty folder.

    Returns:
        The folder.
    """
    lay_out(folder, 256)
    threshold_bundle(folder / "model", bands=3)
    write_road_dataset(folder / "roads", train=4, val=2, side=64)
    (folder / "camvid.zip").write_bytes(zip_of(segnet_files()))
    _write_coco(folder)
    assess_sample(folder / "truth.tif", folder / "points.gpkg")
    answer_by_truth(folder / "points.gpkg", folder / "truth.tif")
    from PIL import Image

    Image.fromarray(np.random.default_rng(0).integers(0, 2, (64, 64), dtype=np.uint8)).save(folder / "truth.png")
    if importlib.util.find_spec("h5py"):
        from keras_made import bright_model

        bright_model(folder / "bright.h5")
    return folder


def _write_coco(folder: Path) -> None:
    from PIL import Image

    (folder / "coco").mkdir()
    Image.fromarray(np.full((32, 32, 3), 80, np.uint8)).save(folder / "coco" / "a.png")
    square = [4, 4, 20, 4, 20, 20, 4, 20]
    values = {
        "images": [{"id": 1, "file_name": "a.png", "width": 32, "height": 32}],
        "categories": [{"id": 1, "name": "building"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": [square], "iscrowd": 0}],
    }
    (folder / "coco.json").write_text(json.dumps(values))


@dataclass
class Chaos:
    """The trials of one verb.

    Attributes:
        verb: The verb.
        inputs: The folder of its inputs.
        work: A folder of its own.
        chance: Draws the moments of interruptions.
        points: The most crash points that are tried.
        tried: Trials by kind.
        failures: One line for each trial that went wrong.
    """

    verb: Verb
    inputs: Path
    work: Path
    chance: random.Random
    points: int = 8
    tried: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def run(self, kinds: tuple[str, ...] = KINDS) -> None:
        """Run a verb undisturbed, then with every kind of trouble."""
        before = _hashes(self.inputs)
        self.reference = self._fresh("reference")
        started = time.monotonic()
        done = _run(self.verb, self.inputs, self.reference)
        self.took_s = time.monotonic() - started
        if done.returncode != 0 or not (self.reference / self.verb.output).exists():
            self.failures.append(f"{self.verb.name}: undisturbed it ends with {done.returncode}: {_last(done)}")
            return
        self.clean = {path.name for path in self.reference.iterdir()}
        trials = {
            "killed": self._killed,
            "interrupted": self._interrupted,
            "full disk": self._full_disk,
            "read-only": self._read_only,
            "twice": self._twice,
        }
        for kind in kinds:
            trials[kind]()
        if _hashes(self.inputs) != before:
            self.failures.append(f"{self.verb.name}: an input was changed")

    def _killed(self) -> None:
        counter = self.work / "points"
        out = self._fresh("count")
        _run(self.verb, self.inputs, out, crash="count", points_file=counter)
        total = int(counter.read_text())
        wanted = range(1, total + 1)
        for point in sorted(self.chance.sample(wanted, min(self.points, total))):
            out = self._fresh("killed")
            done = _run(self.verb, self.inputs, out, crash=str(point))
            what = f"killed before change {point} of {total}"
            if done.returncode not in (-signal.SIGKILL, 0):
                self._wrong(what, f"ends with {done.returncode}: {_last(done)}")
            self._check_left("killed", what, out, done)
            self._check_again(what, out)

    def _interrupted(self) -> None:
        for _ in range(3):
            out = self._fresh("interrupted")
            after_s = self.chance.uniform(0.1, 1.0) * self.took_s
            process = _start(self.verb, self.inputs, out)
            time.sleep(after_s)
            process.send_signal(signal.SIGINT)
            what = f"interrupted after {after_s:.1f} s"
            asked = time.monotonic()
            done = _wait(process)
            if time.monotonic() - asked > 10:
                self._wrong(what, f"took {time.monotonic() - asked:.0f} s to end")
            # Before the command line is set up Python itself answers Ctrl-C, with a traceback and its own exit code.
            early = "from overland.cli" in done.stderr or not done.stderr
            if done.returncode not in (0, 130, -signal.SIGINT) and not early:
                self._wrong(what, f"ends with {done.returncode}: {_last(done)}")
            self._check_left("interrupted", what, out, done, early=early)
            self._check_again(what, out)

    def _full_disk(self) -> None:
        need = _size(self.reference)
        for share in (0.1, 0.6):
            with _disk(self.work / "disk", max(4096, int(need * share))) as out:
                if out is None:
                    return
                done = _run(self.verb, self.inputs, out)
                what = f"a disk of {share:.0%} of its output"
                if done.returncode not in (0, 5):
                    self._wrong(what, f"ends with {done.returncode}: {_last(done)}")
                self._check_left("full disk", what, out, done)

    def _read_only(self) -> None:
        with _disk(self.work / "disk", 1 << 20, read_only=True) as out:
            if out is None:
                return
            done = _run(self.verb, self.inputs, out)
            if done.returncode not in (2, 3):
                self._wrong("a read-only folder", f"ends with {done.returncode}: {_last(done)}")
            self._check_left("read-only", "a read-only folder", out, done)

    def _twice(self) -> None:
        out = self._fresh("twice")
        processes = [_start(self.verb, self.inputs, out) for _ in range(2)]
        done = [_wait(process) for process in processes]
        codes = sorted(each.returncode for each in done)
        if codes[0] != 0 or codes[1] not in (0, 2):
            self._wrong("two at once", f"end with {codes}: {_last(done[0])} | {_last(done[1])}")
        for each in done:
            self._check_left("twice", "two at once", out, each)
        self._check_again("two at once", out)

    def _check_left(
        self, kind: str, what: str, out: Path, done: subprocess.CompletedProcess[str], early: bool = False
    ) -> None:
        self.tried[kind] += 1
        if not early and ("Traceback" in done.stderr or "fault of Overland" in done.stderr):
            self._wrong(what, f"a fault: {_last(done)}")
        if (
            done.returncode > 0
            and not early
            and sum(line.startswith("Error:") for line in done.stderr.splitlines()) != 1
        ):
            self._wrong(what, f"not one line begins with Error: {done.stderr[-300:]}")
        output = out / self.verb.output
        if output.exists() and not self.verb.resumes and not self.verb.same(output, self.reference / self.verb.output):
            self._wrong(what, "the output is there and is not the reference")
        left = {path.name for path in out.iterdir()} - self.clean
        if done.returncode > 0 and left and not self.verb.resumes:
            self._wrong(what, f"left behind: {', '.join(sorted(left))}")

    def _check_again(self, what: str, out: Path) -> None:
        there = (out / self.verb.output).exists()
        if self.verb.name == "train" and there:
            return  # the run has a name; --resume goes on with it, which tests/training looks at
        done = _run(self.verb, self.inputs, out)
        expected = (0, 2) if there and not self.verb.rereads else (0,)
        if done.returncode not in expected:
            self._wrong(what, f"again it ends with {done.returncode}: {_last(done)}")
        elif not self.verb.same(out / self.verb.output, self.reference / self.verb.output):
            self._wrong(what, "again its output is not the reference")

    def _wrong(self, what: str, seen: str) -> None:
        self.failures.append(f"{self.verb.name}, {what}: {seen}")

    def _fresh(self, name: str) -> Path:
        path = self.work / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        return path


def _command(verb: Verb, inputs: Path, out: Path, crash: str | None = None) -> list[str]:
    words = [word.replace("{in}", str(inputs)).replace("{out}", str(out)) for word in verb.words.split()]
    if crash is not None:
        return [sys.executable, str(HERE / "crash_points.py"), crash, *words]
    return [sys.executable, "-c", "from overland.cli import main; main()", *words]


def _start(verb: Verb, inputs: Path, out: Path, crash: str | None = None, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        _command(verb, inputs, out, crash),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env={**ENVIRONMENT, **environment},
        cwd=out,
    )


def _wait(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    try:
        stdout, stderr = process.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        stdout, stderr = process.communicate()
        stderr += f"\nTraceback: hung for {LIMIT_S} s"
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def _run(
    verb: Verb, inputs: Path, out: Path, crash: str | None = None, points_file: Path | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {} if points_file is None else {"CRASH_POINTS": str(points_file)}
    return _wait(_start(verb, inputs, out, crash, **environment))


def _last(done: subprocess.CompletedProcess[str]) -> str:
    lines = (done.stderr or done.stdout).strip().splitlines()
    return lines[-1][:300] if lines else "nothing was said"


def _hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@contextlib.contextmanager
def _disk(folder: Path, size: int, *, read_only: bool = False) -> Iterator[Path | None]:
    """Give a file system of its own at a folder; None where mounting is not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    options = f"size={size}" + (",ro" if read_only else "")
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def keep(path: Path, command: str, rows: dict[str, dict[str, int]]) -> None:
    """Write figures for docs/reliability.md, with commit and date."""
    describe = ["git", "describe", "--always", "--dirty=+"]
    commit = subprocess.run(describe, cwd=HERE, capture_output=True, text=True, check=False).stdout.strip()
    date = datetime.now(UTC).date().isoformat()
    kept = {"command": command, "commit": commit, "date": date, "rows": rows}
    path.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


def main() -> int:
    """Try every verb and print what went wrong; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="NAME", help="verbs whose name matches this pattern")
    parser.add_argument("--points", type=int, default=8, help="most crash points of a verb [8]")
    parser.add_argument("--seed", type=int, default=0, help="draws crash points and moments [0]")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures")
    options = parser.parse_args()
    started = time.monotonic()
    rows, failures = {}, []
    with tempfile.TemporaryDirectory(prefix="overland-chaos-") as name:
        inputs = build(Path(name) / "in")
        for verb in VERBS:
            if not re.search(options.only, verb.name) or importlib.util.find_spec(verb.needs) is None:
                continue
            chance = random.Random(f"{options.seed} {verb.name}")
            chaos = Chaos(verb, inputs, Path(name) / "work" / verb.name, chance, options.points)
            chaos.run()
            rows[verb.name] = {kind: chaos.tried[kind] for kind in KINDS} | {"failures": len(chaos.failures)}
            failures += chaos.failures
            print(*chaos.failures, sep="\n", end="\n" if chaos.failures else "", flush=True)
            print(f"{verb.name}: {sum(chaos.tried.values())} trials, {len(chaos.failures)} failures", flush=True)
    total = sum(sum(row[kind] for kind in KINDS) for row in rows.values())
    print(f"{len(rows)} verbs, {total} trials, {len(failures)} failures ({time.monotonic() - started:.0f} s)")
    if options.json:
        keep(options.json, f"python tests/reliability/chaos.py --points {options.points}", rows)
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
