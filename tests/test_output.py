"""The one door out: places are checked before the work, files appear whole, inputs are never replaced."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from overland.errors import DataError, ResourceError, UsageError
from overland.output import (
    check_folder,
    check_output,
    csv_cell,
    free_folder,
    fresh_file,
    fresh_path,
    fsync_file,
    held_lock,
    replace_atomically,
    reserve_room,
    sha256_of,
    write_folder,
    write_table,
    write_text,
    writing_errors,
)

CSV = {"suffixes": (".csv",)}
AS_ROOT = pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_suffix_decides_the_format(tmp_path):
    assert check_output(tmp_path / "new" / "a.CSV", **CSV) == tmp_path / "new" / "a.CSV"
    with pytest.raises(UsageError, match=r"one of \.csv"):
        check_output(tmp_path / "a.txt", **CSV)


def test_nothing_is_replaced_unasked(tmp_path):
    (tmp_path / "a.csv").touch()
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(UsageError, match="--overwrite"):
        check_output(tmp_path / "a.csv", **CSV)
    assert check_output(tmp_path / "a.csv", overwrite=True, **CSV)
    with pytest.raises(UsageError, match="is a folder"):
        check_output(tmp_path / "folder.csv", overwrite=True, **CSV)
    with pytest.raises(UsageError, match="no regular file"):
        check_output(tmp_path / "pipe.csv", overwrite=True, **CSV)
    (tmp_path / "link.csv").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="--overwrite"):
        check_output(tmp_path / "link.csv", **CSV)


@pytest.mark.parametrize("name", ["in.csv", "link.csv", "hard.csv", "sub/../in.csv"])
def test_an_input_is_never_replaced(tmp_path, name):
    (tmp_path / "in.csv").write_text("x")
    (tmp_path / "sub").mkdir()
    (tmp_path / "link.csv").symlink_to(tmp_path / "in.csv")
    (tmp_path / "hard.csv").hardlink_to(tmp_path / "in.csv")
    with pytest.raises(UsageError, match="is an input"):
        check_output(tmp_path / name, overwrite=True, inputs=[tmp_path / "no", tmp_path / "in.csv"], **CSV)


def test_a_folder_that_holds_an_input_is_not_replaced(tmp_path):
    folder = tmp_path / "evaluation"
    folder.mkdir()
    for name in ("metrics.json", "map.tif"):
        (folder / name).touch()
    with pytest.raises(UsageError, match="holds the input"):
        check_folder(folder, overwrite=True, inputs=[folder / "map.tif"])
    assert check_folder(folder, overwrite=True, inputs=[tmp_path / "other.tif"]) == folder


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/proc/o.csv", "/proc"),
        ("/sys/o.csv", "/sys"),
        ("{}/file/a.csv", "is a file"),
        ("{}/" + "x" * 249 + ".csv", "too long"),
    ],
)
def test_a_place_that_takes_no_files_is_one_sentence_before_the_work(tmp_path, path, message):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=message) as caught:
        check_output(path.format(tmp_path), **CSV)
    assert "disk is full" not in str(caught.value)
    assert names(tmp_path) == ["file"]


@AS_ROOT
def test_a_folder_without_rights_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match=f"{tmp_path.name}.*permission"):
        check_output(tmp_path / "a.csv", **CSV)
    tmp_path.chmod(0o700)


def test_checking_leaves_nothing(tmp_path):
    check_output(tmp_path / "a.csv", **CSV)
    assert names(tmp_path) == []


def test_fresh_names_differ_and_hold_nothing_that_a_library_reads_a_meaning_into(tmp_path):
    path = tmp_path / f"north;south?#{'x' * 200}.gpkg"
    one, other = fresh_path(path, ".part.gpkg"), fresh_path(path, ".part.gpkg")
    assert one != other
    assert one.parent == tmp_path
    assert len(one.name) < 80
    assert not set(";?#") & set(one.name)


def test_a_file_is_there_whole_or_not_at_all(tmp_path):
    with fresh_file(tmp_path / "a") as part:
        part.write_text("new")
        assert not (tmp_path / "a").exists()
    with pytest.raises(ZeroDivisionError), fresh_file(tmp_path / "a") as part:
        part.write_text(f"half{1 / 0}")
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_text() == "new"


def test_what_another_run_left_is_not_met(tmp_path):
    (tmp_path / "a.txt.part").write_text("stale")
    write_text(tmp_path / "a.txt", "new\r\n")
    assert (tmp_path / "a.txt").read_bytes() == b"new\r\n"
    assert (tmp_path / "a.txt.part").read_text() == "stale"


def test_a_folder_is_replaced_at_once_and_the_old_one_goes(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "old").touch()
    with write_folder(folder) as part:
        (part / "new").touch()
        assert names(folder) == ["old"]
    assert names(folder) == ["new"]
    assert names(tmp_path) == ["out"]


def test_a_table_holds_no_formulas(tmp_path):
    rows = [{"name": name, "value": value} for name, value in [("=1+1", 1.5), ("-3", None), ("@x", float("nan"))]]
    write_table(tmp_path / "a.csv", rows, ("name", "value"))
    assert (tmp_path / "a.csv").read_text().splitlines() == ["name,value", "'=1+1,1.5", "-3,", "'@x,"]


def test_errors_of_the_system_become_sentences(tmp_path):
    with pytest.raises(ResourceError, match=r"out\.csv: the disk is full"), writing_errors("out.csv"):
        raise OSError(28, "No space left on device")
    with pytest.raises(UsageError, match="read-only"), writing_errors("out.csv"):
        raise OSError(30, "Read-only file system")
    with pytest.raises(DataError, match=r"out\.csv cannot be written"), writing_errors("out.csv"):
        raise OSError(99999, "never heard of")


def test_room_is_reserved_before_it_is_mapped(tmp_path):
    reserve_room(tmp_path / "a.bin", 1 << 20)
    status = (tmp_path / "a.bin").stat()
    assert status.st_size == 1 << 20
    assert status.st_blocks * 512 >= 1 << 20
    code = (
        "import resource, signal, sys\nfrom pathlib import Path\nfrom overland.output import reserve_room\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (4096, {resource.RLIM_INFINITY}))\n"
        "reserve_room(Path(sys.argv[1]), 1 << 20)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "b.bin")], capture_output=True, text=True, check=False
    )
    assert "ResourceError" in run.stderr


def test_checksums_are_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_of(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_file_is_replaced_whole(tmp_path):
    (tmp_path / "new").write_text("b")
    (tmp_path / "old").write_text("a")
    fsync_file(tmp_path / "new")
    replace_atomically(tmp_path / "new", tmp_path / "old")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["b"]


def test_a_lock_is_held_once_and_released_at_the_end(tmp_path):
    for _ in range(2):
        with held_lock(tmp_path / "lock") as first, held_lock(tmp_path / "lock") as second:
            assert (first, second) == (True, False)


def test_a_folder_appears_when_it_is_whole(tmp_path):
    with write_folder(tmp_path / "a" / "out") as part:
        (part / "x").write_text("x")
        assert not (tmp_path / "a" / "out").exists()

    assert [path.name for path in (tmp_path / "a").iterdir()] == ["out"]


def test_after_an_error_nothing_is_left_and_the_old_folder_stays(tmp_path):
    old = tmp_path / "out"
    old.mkdir()
    (old / "mine").write_text("x")
    with pytest.raises(RuntimeError, match="fails"), write_folder(old):
        raise RuntimeError("fails")

    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (old / "mine").exists()


def test_a_folder_with_something_in_it_is_not_replaced_unasked(tmp_path):
    (tmp_path / "metrics.json").write_text("{}")

    with pytest.raises(UsageError, match="--overwrite"):
        check_folder(tmp_path)
    assert check_folder(tmp_path, overwrite=True) == tmp_path
    with pytest.raises(UsageError, match="is a file"):
        check_folder(tmp_path / "metrics.json", overwrite=True)


def test_a_folder_that_holds_no_evaluation_is_never_replaced(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")

    with pytest.raises(UsageError, match="no evaluation"):
        check_folder(tmp_path, overwrite=True)


def test_a_taken_name_gets_a_number(tmp_path):
    assert free_folder(tmp_path / "run").name == "run"
    for taken in ("run", "run2"):
        (tmp_path / taken).mkdir()
    assert free_folder(tmp_path / "run").name == "run3"


def test_an_error_that_only_calls_itself_one_of_the_system_is_left_alone():
    with pytest.raises(OSError, match="See previous"), writing_errors("out.tif"):
        raise OSError("Write failed. See previous exception for details.")


@pytest.mark.parametrize(
    ("value", "cell"),
    [("=1+1", "'=1+1"), ("@SUM(A1)", "'@SUM(A1)"), ("-road", "'-road"), ("-1.5", "-1.5"), ("road", "road"), (-3, -3)],
)
def test_no_cell_is_a_formula(value: object, cell: object) -> None:
    assert csv_cell(value) == cell


def test_a_folder_that_was_made_to_be_tried_goes_again_and_is_made_when_it_is_written_to(tmp_path):
    path = check_output(tmp_path / "a" / "b" / "table.csv", suffixes=(".csv",))
    assert list(tmp_path.iterdir()) == []
    with fresh_file(path) as part:
        part.write_text("x")
    assert path.read_text() == "x"
