from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from overland.errors import UsageError
from overland.web.jobs.folder import (
    LOCK,
    MARKER,
    is_job_id,
    new_job_id,
    open_jobs_folder,
    remove_stale_uploads,
    upload_folder,
)
from overland.web.jobs.queue import JobQueue
from web.patience import wait_until


@pytest.mark.parametrize("content", ["photos/holiday.jpg", "notes.txt", f"{new_job_id()}/job.json"])
def test_a_folder_that_is_not_a_server_s_is_refused_and_stays_as_it_is(
    models: Path, tmp_path: Path, content: str
) -> None:
    folder = tmp_path / "mine"
    (folder / content).parent.mkdir(parents=True)
    (folder / content).write_text("mine")
    folder.chmod(0o755)
    with pytest.raises(UsageError, match="it has no overland-jobs.txt"):
        JobQueue(models, folder=folder)
    assert (folder / content).read_text() == "mine"
    assert folder.stat().st_mode & 0o777 == 0o755
    assert {path.name for path in folder.iterdir()} == {Path(content).parts[0]}


def test_in_its_own_folder_a_server_touches_nothing_but_its_own(models: Path, tmp_path: Path) -> None:
    with JobQueue(models, folder=tmp_path / "jobs"):
        pass
    kept = tmp_path / "jobs" / "photos"
    kept.mkdir()
    (kept / "holiday.jpg").write_text("mine")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "jobs" / new_job_id()).symlink_to(tmp_path / "elsewhere")
    broken = tmp_path / "jobs" / new_job_id()
    broken.mkdir()
    with JobQueue(models, folder=tmp_path / "jobs"):
        assert (kept / "holiday.jpg").read_text() == "mine"
        assert (tmp_path / "elsewhere").is_dir()
        assert not broken.exists()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with ExitStack() as resources, pytest.raises(UsageError, match="cannot be a folder for jobs"):
        open_jobs_folder(tmp_path / "file", resources)


def test_uploads_that_never_became_a_job_go(tmp_path: Path) -> None:
    old, new = (upload_folder(tmp_path, new_job_id()) for _ in range(2))
    os.utime(old, (time.time() - 100, time.time() - 100))
    (tmp_path / "upload-mine").mkdir()
    remove_stale_uploads(tmp_path, older_than_s=50)
    assert {path.name for path in tmp_path.iterdir()} == {new.name, "upload-mine"}
    remove_stale_uploads(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"upload-mine"}


def test_the_temporary_folder_of_a_killed_server_is_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code = (
        "import time\n"
        "from contextlib import ExitStack\n"
        "from overland.web.jobs.folder import open_jobs_folder\n"
        "resources = ExitStack()\n"
        "open_jobs_folder(None, resources).joinpath('image.tif').write_text('somebody')\n"
        "time.sleep(3600)"
    )
    (tmp_path / "overland-jobs-of-somebody").mkdir()
    with subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"TMPDIR": str(tmp_path)}) as server:
        wait_until(lambda: list(tmp_path.glob("*/image.tif")))
        (left,) = (path.parent for path in tmp_path.glob("*/image.tif"))
        with ExitStack() as resources:
            open_jobs_folder(None, resources)
            assert left.is_dir(), "its server is alive"
        server.kill()
        server.wait()
    with ExitStack() as resources:
        mine = open_jobs_folder(None, resources)
        assert not left.exists()
        assert {path.name for path in mine.iterdir()} == {LOCK, MARKER}
    assert {path.name for path in tmp_path.iterdir()} == {"overland-jobs-of-somebody"}


def test_ids_cannot_be_guessed_nor_be_paths() -> None:
    assert is_job_id(new_job_id())
    assert not any(is_job_id(name) for name in ("", "photos", "../" + "a" * 29, "a" * 31 + "\n", "a" * 33))
