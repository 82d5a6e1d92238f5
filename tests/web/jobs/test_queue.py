from __future__ import annotations

import io
import os
import signal
import stat
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models_made import threshold_bundle
from overland.errors import UsageError
from overland.raster import open_scene
from overland.web.jobs.folder import LOCK, MARKER, new_job_id, upload_folder
from overland.web.jobs.limits import Limits
from overland.web.jobs.queue import Job, JobOptions, JobQueue
from overland.web.refusals import RefusedError
from overland.web.sandbox.tasks import MAX_STARTS
from scenes import utm_grid, write_image
from web.patience import PATIENCE_S, wait_until


def _mapped(queue: JobQueue, image: bytes, **options: object) -> Job:
    job = queue.submit("bright", image, options=JobOptions(**options))
    assert job.wait(PATIENCE_S)
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


def test_map_is_right_and_georeferenced(queue: JobQueue, half_bright: bytes) -> None:
    job = _mapped(queue, half_bright)
    assert (job.state, job.progress, job.error) == ("done", 1.0, None)
    mask = _mask(job)
    assert (mask[:, :40] == 1).all()
    assert (mask[:, 40:] == 0).all()
    with open_scene(job.folder / "mask.tif") as scene, open_scene(job.folder / "image.tif") as image:
        assert scene.grid == image.grid == utm_grid(60, 80)
    assert (job.folder / "probabilities.tif").exists()
    assert job.values["class_fractions"] == {"background": 0.5, "road": 0.5}
    assert job.values["areas"]["classes"][1]["area_m2"] == 2400
    assert job.values["image"]["bounds"] == [500_000, 5_199_940, 500_080, 5_200_000]
    job.delete()


def test_nothing_of_the_server_is_in_the_values(queue: JobQueue, half_bright: bytes) -> None:
    job = _mapped(queue, half_bright)
    assert str(queue.folder) not in str(job.values)
    job.delete()


def test_probabilities_are_left_out_when_not_wanted(queue: JobQueue, half_bright: bytes) -> None:
    job = _mapped(queue, half_bright, probabilities=False)
    assert not (job.folder / "probabilities.tif").exists()
    job.delete()


def test_downloads_are_made_with_the_map(queue: JobQueue, half_bright: bytes) -> None:
    job = _mapped(queue, half_bright, downloads=("mask.png", "areas.json"))
    with Image.open(job.folder / "mask.png") as picture:
        assert picture.mode == "P"
        assert np.array_equal(np.array(picture), _mask(job))
    assert {"mask.png", "areas.json"} <= {path.name for path in job.folder.iterdir()}
    job.delete()


def test_download_is_made_later_and_once(queue: JobQueue, half_bright: bytes) -> None:
    job = _mapped(queue, half_bright)
    queue.make_download(job, "polygons.gpkg").result(PATIENCE_S)
    written = (job.folder / "polygons.gpkg").stat().st_mtime_ns
    queue.make_download(job, "polygons.gpkg").result(PATIENCE_S)
    assert (job.folder / "polygons.gpkg").stat().st_mtime_ns == written
    job.delete()


def test_alpha_is_no_data(queue: JobQueue) -> None:
    pixels = np.full((20, 30, 4), 200, np.uint8)
    pixels[..., 3] = np.where(np.arange(20) < 10, 0, 255)[:, None]
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    job = _mapped(queue, file.getvalue())
    mask = _mask(job)
    assert (mask[:10] == 255).all()
    assert (mask[10:] == 1).all()
    job.delete()


def test_palette_is_read_as_colours(queue: JobQueue) -> None:
    indices = Image.fromarray(np.array([[0, 1] * 8] * 16, np.uint8), "P")
    indices.putpalette([250, 250, 250, 3, 3, 3])
    file = io.BytesIO()
    indices.save(file, "PNG")
    job = _mapped(queue, file.getvalue())
    assert _mask(job)[0, :4].tolist() == [1, 0, 1, 0]
    job.delete()


def test_bands_are_chosen(queue: JobQueue) -> None:
    pixels = np.stack([np.full((16, 16), value, np.uint8) for value in (10, 200, 200, 200, 20)])
    file = Path(queue.folder.parent / "five.tif")
    image = write_image(file, pixels).read_bytes()
    assert (_mask(_mapped(queue, image, bands=(2, 3, 4))) == 1).all()
    assert (_mask(_mapped(queue, image, bands=(1, 1, 5))) == 0).all()
    error = _mapped(queue, image, bands=(1, 2, 6)).error
    assert error is not None
    assert "band 6 was asked for" in error.detail
    error = _mapped(queue, image, bands=(1, 2)).error
    assert error is not None
    assert error.detail.startswith("The image has 5 bands of uint8")
    assert error.detail.endswith("bands names 2 (1,2); name 3.")
    for job in queue.jobs:
        job.delete()


def test_threshold_is_used(queue: JobQueue, half_bright: bytes) -> None:
    job = _mapped(queue, half_bright, threshold=0.0)
    assert (_mask(job) == 1).all()
    job.delete()


def test_float_image_has_no_data_where_it_is_nan(tmp_path: Path) -> None:
    threshold_bundle(tmp_path / "float", bands=3, dtype="float32")
    pixels = np.full((3, 16, 16), 200, np.float32)
    pixels[1, :4] = np.nan
    image = write_image(tmp_path / "nan.tif", pixels, utm_grid(16, 16)).read_bytes()
    with JobQueue(tmp_path / "float") as queue:
        job = queue.submit("float", image)
        assert job.wait(PATIENCE_S)
        assert (_mask(job)[:4] == 255).all()
        assert (_mask(job)[4:] == 1).all()


@pytest.mark.skipif(sys.platform == "win32", reason="modes are those of POSIX")
def test_files_are_private(queue: JobQueue, half_bright: bytes) -> None:
    job = _mapped(queue, half_bright)
    assert stat.S_IMODE(job.folder.stat().st_mode) == 0o700
    job.delete()


@pytest.mark.skipif(sys.platform == "win32", reason="modes are those of POSIX")
@pytest.mark.parametrize("exists", [True, False])
def test_the_jobs_folder_is_private_whoever_made_it(models: Path, tmp_path: Path, exists: bool) -> None:
    folder = tmp_path / "jobs"
    if exists:
        folder.mkdir()
        folder.chmod(0o755)
    with JobQueue(models, folder=folder) as queue:
        assert stat.S_IMODE(queue.folder.stat().st_mode) == 0o700


def test_delete_removes_everything(queue: JobQueue, half_bright: bytes) -> None:
    job = _mapped(queue, half_bright)
    job.delete()
    assert not job.folder.exists()
    with pytest.raises(RefusedError) as caught:
        queue.job(job.id)
    assert caught.value.status == 404


def test_unknown_model_is_refused(queue: JobQueue, half_bright: bytes) -> None:
    with pytest.raises(RefusedError, match="choose one of bright") as caught:
        queue.submit("../bright", half_bright)
    assert caught.value.status == 404


def test_refused_upload_leaves_nothing(queue: JobQueue) -> None:
    for data in (b"<VRTDataset/>", b"II*\0" + bytes(queue.limits.max_bytes)):
        with pytest.raises(RefusedError):
            queue.submit("bright", io.BytesIO(data))
    assert {path.name for path in queue.folder.iterdir()} == {LOCK, MARKER}


def test_full_queue_refuses(models: Path, half_bright: bytes) -> None:
    with JobQueue(models, Limits(queue=1)) as queue:
        jobs, refusals = [], []
        for _ in range(6):
            try:
                jobs.append(queue.submit("bright", half_bright))
            except RefusedError as error:
                refusals.append(error)
        assert {error.status for error in refusals} == {429}
        assert all(error.retry_after_s for error in refusals)
        assert all(job.wait(PATIENCE_S) and job.state == "done" for job in jobs)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux alone")
def test_memory_is_limited_and_the_server_lives_on(models: Path, large: bytes, half_bright: bytes) -> None:
    with JobQueue(models, Limits(memory_mb=240)) as queue:
        job = queue.submit("bright", large)
        assert job.wait(PATIENCE_S)
        assert job.error is not None
        assert job.error.status == 422
        assert "memory" in job.error.detail
        assert _mapped(queue, half_bright).state == "done"
        assert _mapped(queue, half_bright).state == "done"


def test_time_is_limited_and_the_server_lives_on(models: Path, large: bytes) -> None:
    with JobQueue(models, Limits(timeout_s=0.05)) as queue:
        job = queue.submit("bright", large)
        assert job.wait(PATIENCE_S)
        assert job.error is not None
        assert job.error.status == 504
        wait_until(lambda: queue.is_ready)


def test_the_work_of_a_worker_that_was_killed_is_begun_again(models: Path, large: bytes) -> None:
    with JobQueue(models) as queue:
        job = queue.submit("bright", large)
        _until_running(job)
        os.kill(queue.worker_pids[0], signal.SIGKILL)
        assert job.wait(PATIENCE_S)
        assert (job.state, job.record.starts) == ("done", 2)


def test_an_image_that_kills_each_worker_is_given_up(models: Path, large: bytes, half_bright: bytes) -> None:
    with JobQueue(models) as queue:
        job = queue.submit("bright", large)
        for starts in range(1, MAX_STARTS + 1):
            wait_until(lambda starts=starts: job.state == "running" and job.record.starts == starts)
            os.kill(queue.worker_pids[0], signal.SIGKILL)
        assert job.wait(PATIENCE_S)
        assert job.error is not None
        assert job.error.status == 422
        assert f"begun {MAX_STARTS} times" in job.error.detail
        assert _mapped(queue, half_bright).state == "done"


def test_a_small_image_does_not_wait_behind_a_large_one(models: Path, large: bytes, half_bright: bytes) -> None:
    with JobQueue(models, Limits(sync_pixels=100_000)) as queue:
        first = queue.submit("bright", large)
        # The job runs a moment before its worker does, which is the second process.
        wait_until(lambda: first.record.is_large and first.state == "running" and len(queue.worker_pids) == 2)
        pid = queue.worker_pids[-1]
        # The large image's worker stands still for as long as the small ones take.
        os.kill(pid, signal.SIGSTOP)
        try:
            assert all(_mapped(queue, half_bright).state == "done" for _ in range(3))
            assert first.state == "running"
        finally:
            os.kill(pid, signal.SIGCONT)
        assert first.wait(PATIENCE_S)
        assert (first.state, first.record.starts) == ("done", 1)


def test_the_worker_of_large_images_lets_others_go_first(models: Path, large: bytes) -> None:
    with JobQueue(models, Limits(sync_pixels=100_000)) as queue:
        job = queue.submit("bright", large)
        wait_until(lambda: job.record.is_large and job.state == "running" and job.progress > 0)
        nice = [os.getpriority(os.PRIO_PROCESS, pid) for pid in queue.worker_pids]
        assert nice[-1] > nice[0]
        assert job.wait(PATIENCE_S)
        # Its memory goes back to the system.
        wait_until(lambda: len(queue.worker_pids) == 1)


def test_each_client_has_so_many_jobs(models: Path, half_bright: bytes, large: bytes) -> None:
    with JobQueue(models, Limits(per_client=2)) as queue:
        jobs = [queue.submit("bright", large, client="one") for _ in range(2)]
        with pytest.raises(RefusedError, match="2 jobs of yours wait") as caught:
            queue.submit("bright", half_bright, client="one")
        assert (caught.value.status, bool(caught.value.retry_after_s)) == (429, True)
        queue.submit("bright", half_bright, client="another")
        queue.submit("bright", half_bright)
        jobs[1].cancel()
        queue.submit("bright", half_bright, client="one")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to ignore")
def test_signals_that_are_meant_for_the_server_do_not_fail_a_job(models: Path, large: bytes) -> None:
    with JobQueue(models) as queue:
        job = queue.submit("bright", large)
        _until_running(job)
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(queue.worker_pids[0], number)
        assert job.wait(PATIENCE_S)
        assert job.state == "done"


def test_cancel_stops_a_job(models: Path, large: bytes) -> None:
    with JobQueue(models) as queue:
        running, waiting = (queue.submit("bright", large) for _ in range(2))
        _until_running(running)
        waiting.cancel()
        assert waiting.state == "cancelled"
        running.cancel()
        assert running.wait(PATIENCE_S)
        assert running.state == "cancelled"


def _until_running(job: Job) -> None:
    wait_until(lambda: job.state != "queued")
    assert job.state == "running"


def test_ended_jobs_expire(models: Path, half_bright: bytes) -> None:
    with JobQueue(models, Limits(keep_s=0.2)) as queue:
        job = _mapped(queue, half_bright)
        wait_until(lambda: not job.folder.exists())
        assert queue.jobs == []
        assert not job.folder.exists()


def test_jobs_survive_the_queue(models: Path, half_bright: bytes, large: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "jobs"
    with JobQueue(models, folder=folder) as queue:
        done = _mapped(queue, half_bright)
        ids = [queue.submit("bright", large).id for _ in range(3)]
        _until_running(queue.job(ids[0]))
    upload_folder(folder, new_job_id())
    with JobQueue(models, folder=folder) as queue:
        assert not list(folder.glob("upload-*"))
        assert queue.job(done.id).state == "done"
        assert queue.job(done.id).values == done.values
        assert all(queue.job(id).wait(PATIENCE_S) and queue.job(id).state == "done" for id in ids)


def test_a_job_that_stops_the_server_each_time_is_given_up(models: Path, half_bright: bytes, tmp_path: Path) -> None:
    with JobQueue(models, folder=tmp_path) as queue:
        job = _mapped(queue, half_bright)
        record = job.folder / "job.json"
        record.write_text(record.read_text().replace('"done"', '"running"').replace('"starts": 1', '"starts": 3'))
    with JobQueue(models, folder=tmp_path) as queue:
        assert queue.job(job.id).state == "failed"


def test_one_queue_for_a_folder(models: Path, tmp_path: Path) -> None:
    with JobQueue(models, folder=tmp_path), pytest.raises(UsageError, match="in use by another server"):
        JobQueue(models, folder=tmp_path)


def test_a_queue_that_stops_takes_nothing(models: Path, half_bright: bytes) -> None:
    with JobQueue(models) as queue:
        queue.stop_taking()
        with pytest.raises(RefusedError) as caught:
            queue.submit("bright", half_bright)
        assert caught.value.status == 503
