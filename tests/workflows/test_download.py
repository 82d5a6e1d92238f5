from __future__ import annotations

import functools
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from download_made import (
    Files,
    Stub,
    archive_server,
    cityscapes_files,
    deepglobe_landcover_files,
    deepglobe_road_files,
    kaggle_stub,
    massachusetts_files,
    segnet_files,
    zip_of,
)
from overland.datasets import read_dataset
from overland.datasets.download import PUBLIC_DATASETS, fetch_file
from overland.errors import AccessError, DataError, ResourceError, UsageError
from overland.workflows.download import download

# kagglehub leaves answers open where it asks again.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")

KAGGLE: dict[str, tuple[Callable[[], Files], dict[str, int]]] = {
    "deepglobe-road": (deepglobe_road_files, {"train": 4, "val": 1, "unlabelled": 2}),
    "deepglobe-landcover": (deepglobe_landcover_files, {"train": 3, "val": 1}),
    "massachusetts-roads": (massachusetts_files, {"train": 2, "val": 1, "test": 1}),
}


@pytest.fixture
def kaggle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Stub]:
    pytest.importorskip("kagglehub", reason="downloads from Kaggle need overland[data]")
    slugs = {name: PUBLIC_DATASETS[name].address.split("/")[1] for name in KAGGLE}
    archives = {f"{slugs[name]}.zip": zip_of(files()) for name, (files, _) in KAGGLE.items()}
    with kaggle_stub(archives, monkeypatch, tmp_path) as stub:
        yield stub


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("overland.datasets.download.fetch.PAUSES_S", [0.0] * 3)
    monkeypatch.setattr("overland.workflows.download.fetch_file", functools.partial(fetch_file, schemes=("http",)))
    with archive_server({"segnet.zip": zip_of(segnet_files())}) as stub:
        camvid = replace(PUBLIC_DATASETS["camvid"], address=f"{stub.url}/segnet.zip")
        monkeypatch.setitem(PUBLIC_DATASETS, "camvid", camvid)
        yield stub


def put_command(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, files in cityscapes_files().items():
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(zip_of(files))
    (folder / "csDownload").write_text(
        f"#!{sys.executable}\nimport shutil, sys\n"
        f"[shutil.copy({str(folder)!r} + '/' + name, sys.argv[2]) for name in sys.argv[3:]]\n"
    )
    (folder / "csDownload").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder) + os.pathsep + os.environ["PATH"])


def test_the_public_datasets() -> None:
    names = ["deepglobe-road", "deepglobe-landcover", "massachusetts-roads", "cityscapes", "camvid"]
    assert list(PUBLIC_DATASETS) == names
    assert all(source.page.startswith("https://") for source in PUBLIC_DATASETS.values())


@pytest.mark.parametrize("name", KAGGLE)
def test_a_kaggle_set_ends_as_a_folder_that_is_read(kaggle: Stub, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "set"
    values = download(name, output=folder)
    assert values.images == KAGGLE[name][1]
    assert values.downloaded
    assert values.next[0] == f"overland data check {folder}"
    assert json.loads(json.dumps(values.to_dict()))["images"] == KAGGLE[name][1]
    dataset = read_dataset(folder)
    assert {split: len(samples) for split, samples in dataset.splits.items()} == KAGGLE[name][1]
    record = json.loads((folder / "download.json").read_text())
    assert record == {"dataset": name, "source": PUBLIC_DATASETS[name].address, "version": "3"}
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_camvid_comes_from_github_with_its_checksum(github: Stub, tmp_path: Path) -> None:
    github.cuts = [2000]
    values = download("camvid", output=tmp_path / "camvid")
    assert values.images == {"test": 1, "train": 3, "val": 2}
    assert values.layout == "CamVid (SegNet lists)"
    record = json.loads((tmp_path / "camvid/download.json").read_text())
    assert record["sha256"] == {"camvid.zip": hashlib.sha256(github.files["segnet.zip"]).hexdigest()}
    assert not (tmp_path / "camvid.part").exists()


def test_cityscapes_comes_through_csdownload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITYSCAPES_DATASET", str(tmp_path / "cs"))
    put_command(tmp_path / "bin", monkeypatch)
    values = download("cityscapes")
    assert values.folder == str(tmp_path / "cs")
    assert (values.images, values.labelled["test"]) == ({"test": 1, "train": 1, "val": 1}, 0)
    assert not download("cityscapes").downloaded


def test_what_is_there_is_only_read(kaggle: Stub, tmp_path: Path) -> None:
    first = download("deepglobe-road", output=tmp_path / "set")
    kaggle.asked.clear()
    again = download("deepglobe-road", output=tmp_path / "set")
    assert again == replace(first, downloaded=False)
    assert kaggle.asked == []


def test_overwrite_replaces_a_download_and_nothing_else(kaggle: Stub, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    download("deepglobe-road", output=folder)
    (folder / "old.txt").touch()
    assert download("deepglobe-road", output=folder, overwrite=True).downloaded
    assert not (folder / "old.txt").exists()
    (folder / "download.json").unlink()
    with pytest.raises(UsageError, match="no download put there"):
        download("deepglobe-road", output=folder, overwrite=True)
    assert (folder / "metadata.csv").is_file()


def test_another_dataset_in_the_folder_is_not_taken_for_this_one(kaggle: Stub, tmp_path: Path) -> None:
    download("deepglobe-road", output=tmp_path / "set")
    with pytest.raises(UsageError, match="holds deepglobe-road already. Add --overwrite"):
        download("deepglobe-landcover", output=tmp_path / "set")
    assert download("deepglobe-landcover", output=tmp_path / "set", overwrite=True).classes == ("urban_land", "water")


def test_an_archive_that_arrived_damaged_is_taken_again(github: Stub, tmp_path: Path) -> None:
    whole = github.files["segnet.zip"]
    github.files["segnet.zip"] = (
        whole.replace(b"IDAT", b"IDOT", 1) if b"IDAT" in whole else whole[:60] + b"!" + whole[61:]
    )
    with pytest.raises(DataError, match="damaged"):
        download("camvid", output=tmp_path / "set")
    github.files["segnet.zip"] = whole
    assert download("camvid", output=tmp_path / "set").images["train"] == 3


@pytest.mark.parametrize("content", [b"no archive", None, zip_of({"somewhere/else.png": b"x"})])
def test_an_archive_by_hand_that_is_refused_leaves_nothing_behind(tmp_path: Path, content: bytes | None) -> None:
    archive = tmp_path / "archive.zip"
    if content is not None:
        archive.write_bytes(content)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(DataError):
        download("camvid", output=tmp_path / "set", archives=[archive])
    assert sorted(tmp_path.iterdir()) == before


def test_an_archive_that_was_got_by_hand_needs_no_network(tmp_path: Path) -> None:
    archive = tmp_path / "archive.zip"
    archive.write_bytes(zip_of({f"around/{name}": content for name, content in deepglobe_road_files().items()}))
    values = download("deepglobe-road", output=tmp_path / "set", archives=[archive])
    assert values.images["train"] == 4
    assert archive.is_file()
    sums = json.loads((tmp_path / "set/download.json").read_text())["sha256"]
    assert sums == {"archive.zip": hashlib.sha256(archive.read_bytes()).hexdigest()}


def test_archives_in_the_folder_are_used_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, files in cityscapes_files().items():
        (tmp_path / name).write_bytes(zip_of(files))
    monkeypatch.chdir(tmp_path)
    # One spelling of the folder for the archives, another for the output.
    assert download("cityscapes", output=".", archives=sorted(tmp_path.glob("*.zip"))).images["val"] == 1
    assert (tmp_path / "gtFine_trainvaltest.zip").is_file()
    assert not download("cityscapes", output=tmp_path).downloaded
    (tmp_path / "old.txt").touch()
    assert download("cityscapes", output=tmp_path, overwrite=True).downloaded
    names = [*cityscapes_files(), "README", "download.json", "gtFine", "leftImg8bit", "license.txt"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_the_folder_may_be_there_and_empty(kaggle: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "set").mkdir()
    monkeypatch.chdir(tmp_path / "set")
    kaggle.statuses = [0, 0, 0, *[503] * 9]
    kaggle.cuts = [0]
    with pytest.raises(AccessError):
        download("deepglobe-road", output=".")
    kaggle.statuses = []
    assert download("deepglobe-road", output=".").images["train"] == 4
    assert not (tmp_path / "set/.part").exists()


def test_one_of_two_archives_is_not_enough(tmp_path: Path) -> None:
    archive = tmp_path / "gtFine_trainvaltest.zip"
    archive.write_bytes(zip_of(cityscapes_files()[archive.name]))
    with pytest.raises(DataError, match=r"No leftImg8bit in gtFine_trainvaltest\.zip.*Name each archive"):
        download("cityscapes", output=tmp_path / "set", archives=[archive])
    assert not (tmp_path / "set").exists()


def test_a_set_that_cannot_be_read_does_not_take_the_folder(tmp_path: Path) -> None:
    files = deepglobe_road_files()
    del files["train/2_mask.png"]
    (tmp_path / "archive.zip").write_bytes(zip_of(files))
    with pytest.raises(DataError, match=r"cannot be read: .*2_mask\.png"):
        download("deepglobe-road", output=tmp_path / "set", archives=[tmp_path / "archive.zip"])
    assert not (tmp_path / "set").exists()


def test_a_refusal_leads_to_the_way_by_hand(kaggle: Stub, tmp_path: Path) -> None:
    kaggle.statuses = [403]
    with pytest.raises(AccessError) as caught:
        download("deepglobe-road", output=tmp_path / "set")
    text = str(caught.value)
    page = PUBLIC_DATASETS["deepglobe-road"].page
    for expected in (page, str(tmp_path / "set"), "--archive FILE", "kaggle.com/settings"):
        assert expected in text
    assert not (tmp_path / "set").exists()


def test_csdownload_missing_leads_to_the_way_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AccessError, match=r"pip install cityscapesscripts.*get gtFine_trainvaltest\.zip leftImg8bit"):
        download("cityscapes", output=tmp_path / "set")


def test_room_is_looked_for_before_the_network(kaggle: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 5e9})())
    with pytest.raises(ResourceError, match=r"Downloading deepglobe-road needs about 8\.2 GB .* 5 GB free"):
        download("deepglobe-road", output=tmp_path / "set")
    assert kaggle.asked == []


@pytest.mark.parametrize(
    ("name", "said"), [("deepglobe-roads", "did you mean deepglobe-road"), ("x", "There are deepglobe-road, ")]
)
def test_an_unknown_name(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        download(name, output=tmp_path)


@pytest.mark.parametrize("kind", ["file", "other"])
def test_a_folder_that_is_not_ours_is_left_alone(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "set"
    if kind == "other":
        folder.mkdir()
        (folder / "thesis.docx").touch()
    else:
        folder.touch()
    with pytest.raises(UsageError, match=r"thesis\.docx, which no download" if kind == "other" else "is a file"):
        download("camvid", output=folder)
