import hashlib
import itertools
import logging
import os
import random
import shutil
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import killed_predict
from models_made import mean_bundle, threshold_bundle
from overland.errors import DataError, ResourceError, UsageError
from overland.inference import memory
from overland.inference.engines.onnx import OnnxEngine
from overland.raster import create_raster
from overland.raster.journal import recorded_run
from overland.workflows.predict import predict
from scenes import utm_grid

ONNX = {"engine": "onnx", "chip_size": 128}


def write_scene(path, height=1200, width=150, seed=3):
    pixels = np.random.default_rng(seed).integers(1, 255, (1, height, width), dtype=np.uint8)
    grid = utm_grid(height, width)
    with create_raster(path, grid, nodata=0, overwrite=True) as writer:
        writer.write(pixels, grid.window)
    return path


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def files(tmp_path):
    mean_bundle(tmp_path / "m")
    write_scene(tmp_path / "s.tif")
    return tmp_path


class Stopped(Exception):  # noqa: N818 - no error
    pass


def stop_at(megapixels):
    def on_progress(done, total):
        if done >= megapixels:
            raise Stopped

    return on_progress


def stopped(files, output="o.tif", at=0.12, **options):
    with pytest.raises(Stopped):
        predict(files / "m", files / "s.tif", files / output, on_progress=stop_at(at), **{**ONNX, **options})


def run_until_killed(folder, kill):
    """Predict in a process of its own; gives whether it was killed."""
    command = [sys.executable, killed_predict.__file__, str(folder), kill]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode in (0, -9), ended.stderr
    return ended.returncode == -9


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_killed_at_ten_moments_the_result_is_the_same_bytes(files):
    rng = random.Random(4)
    write_scene(files / "s.tif", height=24 * 512 - 100, width=96)
    (files / "whole").mkdir()
    predict(files / "m", files / "s.tif", files / "whole" / "o.tif", probabilities=files / "whole" / "p.tif", **ONNX)
    kills = [f"window:{rng.randint(6, 14)}" for _ in range(3)]
    kills += [f"sync:{rng.randint(5, 12)}", f"sync:{rng.randint(4, 9)}", f"replace:{rng.randint(3, 6)}"]
    kills += [f"after:{rng.uniform(0.01, 0.05):.3f}"]
    rng.shuffle(kills)
    # As the files are put together: at the first and the second of them, and when one of two is in its place.
    assert [run_until_killed(files, kill) for kill in (*kills, "copy:1", "copy:2")] == [True] * 9
    assert not (files / "o.tif").exists()
    assert run_until_killed(files, "last:1")
    assert (files / "o.tif").exists()
    assert not (files / "p.tif").exists()
    assert not run_until_killed(files, "never")
    for name in ("o.tif", "p.tif", "o.tif.aux.xml"):
        assert digest(files / name) == digest(files / "whole" / name), name
    assert not (files / "o.tif.part").exists()


def test_a_stopped_run_continues_says_so_and_gives_the_same_bytes(files, caplog):
    predict(files / "m", files / "s.tif", files / "whole.tif", **ONNX)
    with caplog.at_level(logging.INFO, logger="overland"):
        stopped(files)
        assert "512 of 1,200 rows are kept in" in caplog.text
        values = predict(files / "m", files / "s.tif", files / "o.tif", **ONNX)
    assert f"Continuing {files / 'o.tif'} at row 512 of 1,200." in caplog.text
    assert values.resumed_at_row == values.scenes[0].resumed_at_row == 512
    assert values.mpx_per_s * values.seconds == pytest.approx((1200 - 512) * 150 / 1e6, rel=0.02)
    assert sum(values.class_fractions.values()) == pytest.approx(1)
    assert digest(files / "o.tif") == digest(files / "whole.tif")
    assert not (files / "o.tif.part").exists()


def test_progress_goes_on_where_it_was(files):
    stopped(files)
    seen = []
    predict(files / "m", files / "s.tif", files / "o.tif", on_progress=lambda *each: seen.append(each), **ONNX)
    assert seen[0] == (pytest.approx(512 * 150 / 1e6), pytest.approx(0.18))
    assert seen[-1][0] == pytest.approx(0.18)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_stopped_run_leaves_no_thread(files):
    before = threading.active_count()
    stopped(files)
    assert threading.active_count() <= before


def change_scene(files):
    write_scene(files / "s.tif", seed=9)


def change_model(files):
    mean_bundle(files / "m", limit=90.0)


@pytest.mark.parametrize(
    ("change", "options", "word"),
    [
        (change_scene, {}, "input file was"),
        (change_model, {}, "model was"),
        (None, {"threshold": 0.4}, "threshold was none, now 0.4"),
        (None, {"chip_size": 64}, r"chip size was \[128, 88\], now \[64, 64\]"),
        (None, {"overlap": 40}, "overlap was 8, now 40"),
        (None, {"tta": "flips"}, "tta was none, now flips"),
        (None, {"nodata": 7}, "nodata was None, now 7"),
        (None, {"bounds": (500_000, 5_199_000, 500_100, 5_200_000)}, "rows and columns was"),
        (None, {"creation": {"COMPRESS": "LZW"}}, "creation options was"),
        (None, {"probabilities": "p.tif"}, "outputs was"),
    ],
)
def test_another_run_is_refused_with_what_changed(files, change, options, word):
    stopped(files)
    if change:
        change(files)
    options = {**ONNX, **options}
    if "probabilities" in options:
        options["probabilities"] = files / "p.tif"
    with pytest.raises(UsageError, match=word) as caught:
        predict(files / "m", files / "s.tif", files / "o.tif", **options)
    assert "--overwrite" in str(caught.value)
    predict(files / "m", files / "s.tif", files / "o.tif", overwrite=True, **options)
    assert not (files / "o.tif.part").exists()


def test_the_windows_are_those_of_the_model_whatever_memory_is_free(files, monkeypatch):
    bundle = mean_bundle(files / "m", window=256)
    monkeypatch.setattr(memory, "available_memory_mb", lambda: 700.0)
    stopped(files, chip_size=None, at=0.14)
    monkeypatch.setattr(memory, "available_memory_mb", lambda: 100_000.0)
    values = predict(bundle, files / "s.tif", files / "o.tif", engine="onnx")
    assert values.resumed_at_row == 512
    predict(bundle, files / "s.tif", files / "whole.tif", engine="onnx", max_memory="8GB")
    assert digest(files / "o.tif") == digest(files / "whole.tif")


def test_damaged_rows_are_computed_again(files, caplog):
    predict(files / "m", files / "s.tif", files / "whole.tif", **ONNX)
    write_scene(files / "s.tif", height=1800)
    predict(files / "m", files / "s.tif", files / "tall.tif", **ONNX)
    stopped(files, at=0.2)
    band = files / "o.tif.part" / "mask-000000000.tif"
    band.write_bytes(band.read_bytes()[:500])
    predict(files / "m", files / "s.tif", files / "o.tif", **ONNX)
    assert "Rows 0 to 512 were damaged" in caplog.text
    assert digest(files / "o.tif") == digest(files / "tall.tif")


def test_a_second_run_on_the_same_output_is_refused(files):
    caught = []

    def on_progress(done, total):
        if not caught:
            with pytest.raises(UsageError, match="Another process") as error:
                predict(files / "m", files / "s.tif", files / "o.tif", **ONNX)
            caught.append(error)

    predict(files / "m", files / "s.tif", files / "o.tif", on_progress=on_progress, **ONNX)
    assert len(caught) == 1


def test_scenes_that_are_done_are_not_computed_again(files, caplog, monkeypatch):
    write_scene(files / "t.tif", seed=5)
    inputs, out = [files / "s.tif", files / "t.tif"], files / "out"
    with pytest.raises(Stopped):
        predict(files / "m", inputs, out, on_progress=stop_at(0.19), **ONNX)
    first = digest(out / "s.tif")
    with caplog.at_level(logging.INFO, logger="overland"):
        values = predict(files / "m", inputs, out, **ONNX)
    assert "s.tif is done already" in caplog.text
    assert [scene.resumed_at_row for scene in values.scenes] == [1200, None]
    assert digest(out / "s.tif") == first
    assert sum(values.scenes[0].class_fractions.values()) == pytest.approx(1)
    assert sorted(path.name for path in out.iterdir()) == ["s.tif", "s.tif.aux.xml", "t.tif", "t.tif.aux.xml"]
    with pytest.raises(UsageError, match="exists already"):
        predict(files / "m", inputs, out, **ONNX)


def test_a_done_scene_that_somebody_changed_is_not_overwritten(files):
    write_scene(files / "t.tif", seed=5)
    inputs, out = [files / "s.tif", files / "t.tif"], files / "out"
    with pytest.raises(Stopped):
        predict(files / "m", inputs, out, on_progress=stop_at(0.19), **ONNX)
    (out / "s.tif").write_bytes(b"mine")
    with pytest.raises(UsageError, match="exists already"):
        predict(files / "m", inputs, out, **ONNX)


@pytest.mark.parametrize("error", [DataError("gone"), MemoryError()])
def test_an_error_in_the_model_keeps_what_is_finished(files, monkeypatch, error):
    run, numbers = OnnxEngine.run, itertools.count(1)

    def fail(self, chips):
        # The windows before this one fill more than 512 rows. They run on several threads: wait until they are durable.
        if next(numbers) == 20:
            deadline = time.monotonic() + 60
            while not finished_rows(files / "o.tif") and time.monotonic() < deadline:
                time.sleep(0.01)
            raise error
        return run(self, chips)

    write_scene(files / "s.tif", height=3000)
    with monkeypatch.context() as patch:
        patch.setattr(OnnxEngine, "run", fail)
        with pytest.raises(type(error)):
            predict(files / "m", files / "s.tif", files / "o.tif", **ONNX)
    resumed_at = predict(files / "m", files / "s.tif", files / "o.tif", **ONNX).resumed_at_row
    assert resumed_at in (512, 1024)


def finished_rows(output):
    recorded = recorded_run(output)
    return recorded[1] if recorded else []


@pytest.fixture
def small_disk(tmp_path):
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root on Linux can mount a small disk")
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"tmpfs cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_fills_up_is_said_and_the_run_continues(files, small_disk):
    write_scene(files / "s.tif", height=2000, width=300)
    arguments = (threshold_bundle(files / "t"), files / "s.tif")
    predict(*arguments, files / "o.tif", probabilities=files / "p.tif", **ONNX)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(1_200_000))
    with pytest.raises(ResourceError, match="disk is full.*continues"):
        predict(*arguments, small_disk / "o.tif", probabilities=files / "q.tif", **ONNX)
    assert not (small_disk / "o.tif").exists()
    ballast.unlink()
    subprocess.run(["mount", "-o", "remount,size=40m", str(small_disk)], check=True)
    values = predict(*arguments, small_disk / "o.tif", probabilities=files / "q.tif", **ONNX)
    assert values.resumed_at_row >= 512
    assert digest(small_disk / "o.tif") == digest(files / "o.tif")
    assert digest(files / "q.tif") == digest(files / "p.tif")
