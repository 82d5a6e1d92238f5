from __future__ import annotations

import io
import os
import signal
import stat
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models_made import threshold_bundle
from overland.errors import UsageError
from overland.raster import open_scene
from overland.web.jobs.limits import Limits, RefusedError
from overland.web.jobs.queue import Job, JobOptions, JobQueue
from scenes import utm_grid, write_image

_WAIT_S = 30


def _mapped(desk: JobQueue, image: bytes, **options: object) -> Job:
    job = desk.submit("bright", image, options=JobOptions(**options))
    assert job.wait(_WAIT_S)
    return job


def _mask(job: Job) -> np.ndarray:
    with open_scene(job.folder / "mask.tif") as scene:
        return scene.read()[0][0]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An image that takes a while."""
    noise = np.random.default_rng(0).integers(0, 2, (1, 1600, 1600), dtype=np.uint8) * 255
    path = tmp_path_factory.mktemp("images") / "large.tif"
    return write_image(path, noise.repeat(3, axis=0), utm_grid(1600, 1600)).read_bytes()


def test_map_is_right_and_georeferenced(desk: JobQueue, half_bright: bytes) -> None:
    job = _mapped(desk, half_bright)
    assert (job.state, job.progress, job.error) == ("done", 1.0, None)
    mask = _mask(job)
    assert (mask[:, :40] == 1).all()
    assert (mask[:, 40:] == 0).all()
    with open_scene(job.folder / "mask.tif") as scene, open_scene(job.folder / "image.tif") as image:
        assert scene.grid == image.grid == utm_grid(60, 80)
    assert (job.folder / "scores.tif").exists()
    assert job.values["class_fractions"] == {"background": 0.5, "road": 0.5}
    assert job.values["areas"]["classes"][1]["area_m2"] == 2400
    assert job.values["image"]["bounds"] == [500_000, 5_199_940, 500_080, 5_200_000]
    job.delete()


def test_nothing_of_the_server_is_in_the_values(desk: JobQueue, half_bright: bytes) -> None:
    job = _mapped(desk, half_bright)
    assert str(desk.folder) not in str(job.values)
    job.delete()


def test_scores_are_left_out_when_not_wanted(desk: JobQueue, half_bright: bytes) -> None:
    job = _mapped(desk, half_bright, scores=False)
    assert not (job.folder / "scores.tif").exists()
    job.delete()


def test_products_are_made_with_the_map(desk: JobQueue, half_bright: bytes) -> None:
    job = _mapped(desk, half_bright, products=("mask.png", "areas.json"))
    with Image.open(job.folder / "mask.png") as picture:
        assert picture.mode == "P"
        assert np.array_equal(np.array(picture), _mask(job))
    assert {"mask.png", "areas.json"} <= {path.name for path in job.folder.iterdir()}
    job.delete()


def test_product_is_made_later_and_once(desk: JobQueue, half_bright: bytes) -> None:
    job = _mapped(desk, half_bright)
    desk.product(job, "polygons.gpkg").result(_WAIT_S)
    written = (job.folder / "polygons.gpkg").stat().st_mtime_ns
    desk.product(job, "polygons.gpkg").result(_WAIT_S)
    assert (job.folder / "polygons.gpkg").stat().st_mtime_ns == written
    job.delete()


def test_alpha_is_no_data(desk: JobQueue) -> None:
    pixels = np.full((20, 30, 4), 200, np.uint8)
    pixels[:10, :, 3] = 0
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    job = _mapped(desk, file.getvalue())
    mask = _mask(job)
    assert (mask[:10] == 255).all()
    assert (mask[10:] == 1).all()
    job.delete()


def test_palette_is_read_as_colours(desk: JobQueue) -> None:
    indices = Image.fromarray(np.array([[0, 1] * 8] * 16, np.uint8), "P")
    indices.putpalette([250, 250, 250, 3, 3, 3])
    file = io.BytesIO()
    indices.save(file, "PNG")
    job = _mapped(desk, file.getvalue())
    assert _mask(job)[0, :4].tolist() == [1, 0, 1, 0]
    job.delete()


def test_bands_are_chosen(desk: JobQueue) -> None:
    pixels = np.stack([np.full((16, 16), value, np.uint8) for value in (10, 200, 200, 200, 20)])
    file = Path(desk.folder.parent / "five.tif")
    image = write_image(file, pixels).read_bytes()
    assert (_mask(_mapped(desk, image, bands=(2, 3, 4))) == 1).all()
    assert (_mask(_mapped(desk, image, bands=(1, 1, 5))) == 0).all()
    error = _mapped(desk, image, bands=(1, 2, 6)).error
    assert error is not None
    assert "band 6 was asked for" in error.detail
    error = _mapped(desk, image, bands=(1, 2)).error
    assert error is not None
    assert error.detail.startswith("The image has 5 bands of uint8")
    assert error.detail.endswith("bands names 2 (1,2); name 3.")
    for job in desk.jobs:
        job.delete()


def test_threshold_is_used(desk: JobQueue, half_bright: bytes) -> None:
    job = _mapped(desk, half_bright, threshold=0.0)
    assert (_mask(job) == 1).all()
    job.delete()


def test_float_image_has_no_data_where_it_is_nan(tmp_path: Path) -> None:
    threshold_bundle(tmp_path / "float", bands=3, dtype="float32")
    pixels = np.full((3, 16, 16), 200, np.float32)
    pixels[1, :4] = np.nan
    image = write_image(tmp_path / "nan.tif", pixels, utm_grid(16, 16)).read_bytes()
    with JobQueue(tmp_path / "float") as desk:
        job = desk.submit("float", image)
        assert job.wait(_WAIT_S)
        assert (_mask(job)[:4] == 255).all()
        assert (_mask(job)[4:] == 1).all()


@pytest.mark.skipif(sys.platform == "win32", reason="modes are those of POSIX")
def test_files_are_private(desk: JobQueue, half_bright: bytes) -> None:
    job = _mapped(desk, half_bright)
    assert stat.S_IMODE(job.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(desk.folder.stat().st_mode) == 0o700
    job.delete()


def test_delete_removes_everything(desk: JobQueue, half_bright: bytes) -> None:
    job = _mapped(desk, half_bright)
    job.delete()
    assert not job.folder.exists()
    with pytest.raises(RefusedError) as caught:
        desk.job(job.id)
    assert caught.value.status == 404


def test_unknown_model_is_refused(desk: JobQueue, half_bright: bytes) -> None:
    with pytest.raises(RefusedError, match="choose one of bright") as caught:
        desk.submit("../bright", half_bright)
    assert caught.value.status == 404


def test_refused_upload_leaves_nothing(desk: JobQueue) -> None:
    for data in (b"<VRTDataset/>", b"II*\0" + bytes(desk.limits.max_bytes)):
        with pytest.raises(RefusedError):
            desk.submit("bright", io.BytesIO(data))
    assert [path.name for path in desk.folder.iterdir()] == ["desk.lock"]


def test_full_queue_refuses(models: Path, half_bright: bytes) -> None:
    with JobQueue(models, Limits(queue=1)) as desk:
        jobs, refusals = [], []
        for _ in range(6):
            try:
                jobs.append(desk.submit("bright", half_bright))
            except RefusedError as error:
                refusals.append(error)
        assert {error.status for error in refusals} == {429}
        assert all(error.retry_after_s for error in refusals)
        assert all(job.wait(_WAIT_S) and job.state == "done" for job in jobs)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux alone")
def test_memory_is_limited_and_the_server_lives_on(models: Path, large: bytes, half_bright: bytes) -> None:
    with JobQueue(models, Limits(memory_mb=140)) as desk:
        job = desk.submit("bright", large)
        assert job.wait(_WAIT_S)
        assert job.error is not None
        assert job.error.status == 422
        assert "memory" in job.error.detail
        assert _mapped(desk, half_bright).state == "done"


def test_time_is_limited_and_the_server_lives_on(models: Path, large: bytes) -> None:
    with JobQueue(models, Limits(timeout_s=0.05)) as desk:
        job = desk.submit("bright", large)
        assert job.wait(_WAIT_S)
        assert job.error is not None
        assert job.error.status == 504
        deadline = time.monotonic() + _WAIT_S
        while not desk.is_ready and time.monotonic() < deadline:
            time.sleep(0.02)
        assert desk.is_ready


def test_a_worker_that_dies_is_replaced(models: Path, large: bytes, half_bright: bytes) -> None:
    with JobQueue(models) as desk:
        job = desk.submit("bright", large)
        _until_running(job)
        os.kill(desk.worker_pids[0], signal.SIGKILL)
        assert job.wait(_WAIT_S)
        assert job.error is not None
        assert job.error.status == 422
        assert _mapped(desk, half_bright).state == "done"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to ignore")
def test_signals_that_are_meant_for_the_server_do_not_fail_a_job(models: Path, large: bytes) -> None:
    with JobQueue(models) as desk:
        job = desk.submit("bright", large)
        _until_running(job)
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(desk.worker_pids[0], number)
        assert job.wait(_WAIT_S)
        assert job.state == "done"


def test_cancel_stops_a_job(models: Path, large: bytes) -> None:
    with JobQueue(models) as desk:
        running, waiting = (desk.submit("bright", large) for _ in range(2))
        _until_running(running)
        waiting.cancel()
        assert waiting.state == "cancelled"
        running.cancel()
        assert running.wait(_WAIT_S)
        assert running.state == "cancelled"


def _until_running(job: Job) -> None:
    deadline = time.monotonic() + _WAIT_S
    while job.state == "queued" and time.monotonic() < deadline:
        time.sleep(0.005)
    assert job.state == "running"


def test_ended_jobs_expire(models: Path, half_bright: bytes) -> None:
    with JobQueue(models, Limits(keep_s=0.2)) as desk:
        job = _mapped(desk, half_bright)
        deadline = time.monotonic() + _WAIT_S
        while job.folder.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert desk.jobs == []
        assert not job.folder.exists()


def test_jobs_survive_the_desk(models: Path, half_bright: bytes, large: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "jobs"
    with JobQueue(models, folder=folder) as desk:
        done = _mapped(desk, half_bright)
        ids = [desk.submit("bright", large).id for _ in range(3)]
        _until_running(desk.job(ids[0]))
    (folder / "half-received").mkdir()
    with JobQueue(models, folder=folder) as desk:
        assert not (folder / "half-received").exists()
        assert desk.job(done.id).state == "done"
        assert desk.job(done.id).values == done.values
        assert all(desk.job(id).wait(_WAIT_S) and desk.job(id).state == "done" for id in ids)


def test_a_job_that_stops_the_server_each_time_is_given_up(models: Path, half_bright: bytes, tmp_path: Path) -> None:
    with JobQueue(models, folder=tmp_path) as desk:
        job = _mapped(desk, half_bright)
        record = job.folder / "job.json"
        record.write_text(record.read_text().replace('"done"', '"running"').replace('"starts": 1', '"starts": 3'))
    with JobQueue(models, folder=tmp_path) as desk:
        assert desk.job(job.id).state == "failed"


def test_one_desk_for_a_folder(models: Path, tmp_path: Path) -> None:
    with JobQueue(models, folder=tmp_path), pytest.raises(UsageError, match="in use by another server"):
        JobQueue(models, folder=tmp_path)


def test_a_desk_that_stops_takes_nothing(models: Path, half_bright: bytes) -> None:
    with JobQueue(models) as desk:
        desk.stop_taking()
        with pytest.raises(RefusedError) as caught:
            desk.submit("bright", half_bright)
        assert caught.value.status == 503
