from __future__ import annotations

import json
import logging
import os
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from download_made import (
    SIGNATURE,
    TOKEN,
    Stub,
    deepglobe_road_files,
    kaggle_stub,
    md5_of,
    zip_of,
)
from overland.datasets import read_dataset
from overland.datasets.download.providers import SETTINGS_PAGE, download_kaggle
from overland.errors import AccessError, MissingExtraError, ResourceError

SLUG = "balraj98/deepglobe-road-extraction-dataset"
ARCHIVE = "deepglobe-road-extraction-dataset.zip"
CHUNK = 1 << 20
# kagglehub keeps whole chunks: longer than some of them, or nothing could be continued.
CONTENT = zip_of({**deepglobe_road_files(), "more": np.random.default_rng(1).bytes(4 * CHUNK)})

# kagglehub leaves answers open where it asks again.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Stub]:
    pytest.importorskip("kagglehub", reason="downloads from Kaggle need overland[data]")
    with kaggle_stub({ARCHIVE: CONTENT}, monkeypatch, tmp_path) as server:
        server.md5 = md5_of(CONTENT)
        yield server


def test_the_newest_version_arrives_and_is_read(stub: Stub, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    files, version = download_kaggle(SLUG, tmp_path / "part")
    assert version == "3"
    assert (tmp_path / "part") in files.parents
    dataset = read_dataset(files)
    assert {split: len(samples) for split, samples in dataset.splits.items()} == {"train": 4, "val": 1, "unlabelled": 2}
    assert capfd.readouterr().out == ""
    assert not list((tmp_path / "part").rglob("*.archive"))


def test_the_environment_is_as_it_was(stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLEHUB_CACHE", "mine")
    monkeypatch.delenv("DISABLE_COLAB_CACHE", raising=False)
    download_kaggle(SLUG, tmp_path / "part")
    assert os.environ["KAGGLEHUB_CACHE"] == "mine"
    assert "DISABLE_COLAB_CACHE" not in os.environ


def test_a_token_goes_to_kaggle_and_into_no_output(
    stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
    logging.getLogger("overland").setLevel(logging.DEBUG)
    stub.cuts = [len(CONTENT) // 2]
    download_kaggle(SLUG, tmp_path / "part")
    assert f"Bearer {TOKEN}" in stub.authorized
    shown = capfd.readouterr()
    assert TOKEN not in shown.out + shown.err
    assert SIGNATURE not in shown.out + shown.err


def test_a_cut_connection_is_continued_in_the_same_run(stub: Stub, tmp_path: Path) -> None:
    stub.cuts = [2 * CHUNK + 5]
    download_kaggle(SLUG, tmp_path / "part")
    # kagglehub opens the file anew to learn its size, then asks for the rest.
    assert stub.ranges() == [None, None, f"bytes={2 * CHUNK}-"]


def test_a_run_that_gave_up_is_continued_by_the_next(stub: Stub, tmp_path: Path) -> None:
    stub.cuts = [CHUNK + 5]
    stub.statuses = [0, 0, 0, 503, 503, 503, 503, 503]
    with pytest.raises(AccessError, match="HTTP 503. What has arrived is kept; run this again to go on"):
        download_kaggle(SLUG, tmp_path / "part")
    stub.statuses.clear()
    files, _ = download_kaggle(SLUG, tmp_path / "part")
    assert stub.ranges()[-1] == f"bytes={CHUNK}-"
    assert (files / "metadata.csv").is_file()


def test_what_is_there_is_not_taken_twice(stub: Stub, tmp_path: Path) -> None:
    download_kaggle(SLUG, tmp_path / "part")
    stub.asked.clear()
    download_kaggle(SLUG, tmp_path / "part")
    assert stub.ranges() == []


def test_a_wrong_md5_ends_in_one_sentence(stub: Stub, tmp_path: Path) -> None:
    stub.md5 = md5_of(b"other")
    with pytest.raises(AccessError, match="do not have the MD5 that Kaggle names"):
        download_kaggle(SLUG, tmp_path / "part")


def test_what_is_no_archive_is_not_kept(stub: Stub, tmp_path: Path) -> None:
    stub.files[ARCHIVE], stub.md5 = b"<html>maintenance</html>", None
    with pytest.raises(AccessError, match="no whole archive"):
        download_kaggle(SLUG, tmp_path / "part")
    stub.files[ARCHIVE] = CONTENT
    files, _ = download_kaggle(SLUG, tmp_path / "part")
    assert (files / "metadata.csv").is_file()


@pytest.mark.parametrize(
    ("status", "said"), [(401, "credentials are not valid"), (403, "not allowed"), (404, "no such dataset")]
)
def test_a_refusal_names_slug_places_and_page(stub: Stub, tmp_path: Path, status: int, said: str) -> None:
    stub.statuses = [status]
    with pytest.raises(AccessError) as caught:
        download_kaggle(SLUG, tmp_path / "part")
    text = str(caught.value)
    places = ("KAGGLE_API_TOKEN", "~/.kaggle/access_token", "KAGGLE_USERNAME with KAGGLE_KEY", "~/.kaggle/kaggle.json")
    for expected in (SLUG, f"HTTP {status}", said, *places, "found none", SETTINGS_PAGE):
        assert expected in text


def test_the_place_where_credentials_were_found_is_named(
    stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/kaggle.json").write_text(json.dumps({"username": "me", "key": TOKEN}))
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "mine"))
    stub.statuses = [0, 403]
    with pytest.raises(AccessError, match=r"found .*kaggle\.json \(KAGGLE_CONFIG_DIR\)") as caught:
        download_kaggle(SLUG, tmp_path / "part")
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("content", ["{", '{"username": "me"}', '{"key": "KGAT_made-token-that-must-not-be-shown"}'])
def test_a_broken_kaggle_json_is_said_and_not_shown(stub: Stub, tmp_path: Path, content: str) -> None:
    (tmp_path / ".kaggle").mkdir()
    (tmp_path / ".kaggle/kaggle.json").write_text(content)
    with pytest.raises(AccessError, match=r"credentials file at .*kaggle\.json.*Make a token at") as caught:
        download_kaggle(SLUG, tmp_path / "part")
    assert TOKEN not in str(caught.value)


def test_no_network_is_an_access_error(stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kagglesdk import kaggle_env

    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, "http://127.0.0.1:9")
    with pytest.raises(AccessError, match=f"did not deliver {SLUG}: ConnectionError"):
        download_kaggle(SLUG, tmp_path / "part")


def test_a_full_disk_is_a_resource_error(stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "extractall", full)
    with pytest.raises(ResourceError, match="is full. What has arrived is kept"):
        download_kaggle(SLUG, tmp_path / "part")


def test_without_kagglehub_the_command_that_installs_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'overland\[data\]'"):
        download_kaggle(SLUG, tmp_path / "part")


def test_the_other_client_is_never_imported(stub: Stub, tmp_path: Path) -> None:
    download_kaggle(SLUG, tmp_path / "part")
    assert "kaggle" not in sys.modules
