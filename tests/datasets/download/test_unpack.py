from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from download_made import segnet_files, zip_of
from overland.datasets.download.unpack import unpack_archive
from overland.errors import DataError, ResourceError

MARKS = ("metadata.csv",)


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    path.write_bytes(zip_of(files))
    return path


def write_tar(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as file:
        for member in members:
            member.size = 3 if member.isreg() else 0
            file.addfile(member, io.BytesIO(b"abc"))
    return path


def names_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_the_dataset_is_taken_out_of_the_folders_around_it(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", segnet_files())
    unpack_archive(archive, tmp_path / "out", ("trainannot",))
    assert names_in(tmp_path / "out")[0] == "test/0001TP_test0.png"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *("test", "testannot", "train", "trainannot", "val", "valannot")
    ]


def test_what_macos_adds_is_left_out(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", {"metadata.csv": b"a", "__MACOSX/._metadata.csv": b"b"})
    unpack_archive(archive, tmp_path / "out", MARKS)
    assert names_in(tmp_path / "out") == ["metadata.csv"]


def test_a_tar_file_does_as_well(tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "a.tar.gz", tarfile.TarInfo("set/metadata.csv"), tarfile.TarInfo("set/train/1.jpg"))
    unpack_archive(archive, tmp_path / "out", MARKS)
    assert names_in(tmp_path / "out") == ["metadata.csv", "train/1.jpg"]
    assert (tmp_path / "out/train/1.jpg").read_bytes() == b"abc"


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/evil", "C:/evil", "a\\..\\..\\evil"])
def test_a_path_out_of_the_folder_is_refused_before_anything_is_written(tmp_path: Path, name: str) -> None:
    archive = write_zip(tmp_path / "a.zip", {"metadata.csv": b"a", name: b"b"})
    with pytest.raises(DataError, match="could lead out of the folder"):
        unpack_archive(archive, tmp_path / "out", MARKS)
    assert not (tmp_path / "out").exists()


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("link")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("metadata.csv", "a")
        file.writestr(info, "/etc/passwd")
    with pytest.raises(DataError, match="'link' is a link or a device"):
        unpack_archive(tmp_path / "a.zip", tmp_path / "out", MARKS)


@pytest.mark.parametrize(
    ("name", "kind", "target"),
    [
        ("link", tarfile.SYMTYPE, "metadata.csv"),
        ("link", tarfile.SYMTYPE, "/etc/passwd"),
        ("link", tarfile.LNKTYPE, "../../evil"),
        ("pipe", tarfile.FIFOTYPE, ""),
        ("../evil", tarfile.REGTYPE, ""),
        ("/evil", tarfile.REGTYPE, ""),
    ],
)
def test_what_is_unsafe_in_a_tar_is_refused(tmp_path: Path, name: str, kind: bytes, target: str) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    archive = write_tar(tmp_path / "a.tar.gz", tarfile.TarInfo("metadata.csv"), member)
    with pytest.raises(DataError, match="is not unpacked"):
        unpack_archive(archive, tmp_path / "out", MARKS)
    assert not (tmp_path / "out").exists()


def test_a_bomb_is_refused_by_its_ratio(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", {"metadata.csv": b"a", "zeros": bytes(3_000_000)})
    with pytest.raises(DataError, match=r"times as large, more than 100 times"):
        unpack_archive(archive, tmp_path / "out", MARKS)


@pytest.mark.parametrize(
    ("limit", "value", "said"), [("MOST_MEMBERS", 2, "more than 2 files"), ("MOST_BYTES", 2, "GB")]
)
def test_caps_on_files_and_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: float, said: str
) -> None:
    monkeypatch.setattr(f"overland.datasets.download.unpack.{limit}", value)
    archive = write_zip(tmp_path / "a.zip", {"metadata.csv": b"a", "1": b"b", "2": b"c"})
    with pytest.raises(DataError, match=said):
        unpack_archive(archive, tmp_path / "out", MARKS)


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    raw = bytearray(zip_of({"metadata.csv": b"a"}))
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(raw)
    with pytest.raises(DataError, match="is encrypted"):
        unpack_archive(tmp_path / "a.zip", tmp_path / "out", MARKS)


def test_a_flipped_bit_is_damage(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("metadata.csv", "some,table")
    raw = bytearray((tmp_path / "a.zip").read_bytes())
    raw[raw.index(b"some,table")] ^= 1
    (tmp_path / "a.zip").write_bytes(raw)
    with pytest.raises(DataError, match=r"is damaged \(Bad CRC-32.*Download it again"):
        unpack_archive(tmp_path / "a.zip", tmp_path / "out", MARKS)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "does not exist"),
        (b"not a zip", "no zip or tar file"),
        (zip_of({"other/readme.txt": b"a"}), "looked for metadata.csv, found other"),
        (zip_of({}), "found nothing"),
    ],
)
def test_another_file_is_told_from_the_dataset(tmp_path: Path, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(DataError, match=said):
        unpack_archive(tmp_path / "a.zip", tmp_path / "out", MARKS)


def test_room_is_looked_for_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1})())
    archive = write_zip(tmp_path / "a.zip", {"metadata.csv": b"a" * 50})
    with pytest.raises(ResourceError, match="GB free"):
        unpack_archive(archive, tmp_path / "out", MARKS)
    assert not (tmp_path / "out").exists()
