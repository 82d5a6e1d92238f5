import json
import os
import subprocess
import sys

import pytest

from overland.errors import UsageError
from overland.raster.journal import journal_folder, open_journal, recorded_run

RUN = {"model": "a", "threshold": 0.5, "bands": (1, 2)}


def begin(path, run=RUN, entries=1, **options):
    with open_journal(path, run, **options) as journal:
        for number in range(entries):
            journal.record({"row": number})


def test_what_was_recorded_is_there_when_the_same_run_continues(tmp_path):
    begin(tmp_path / "o.tif", entries=2)
    with open_journal(tmp_path / "o.tif", RUN) as journal:
        assert journal.entries == [{"row": 0}, {"row": 1}]


def test_where_nothing_was_finished_nothing_is_left(tmp_path):
    begin(tmp_path / "o.tif", entries=0)
    assert list(tmp_path.iterdir()) == []


def test_done_work_is_removed(tmp_path):
    with open_journal(tmp_path / "o.tif", RUN) as journal:
        journal.record({"row": 0})
        journal.remove()
    assert list(tmp_path.iterdir()) == []


def test_another_run_is_refused_with_what_differs_and_what_to_do(tmp_path):
    begin(tmp_path / "o.tif")
    with pytest.raises(UsageError) as caught:
        begin(tmp_path / "o.tif", {**RUN, "threshold": 0.4, "tta": "d4"})
    message = str(caught.value)
    assert "threshold was 0.5, now 0.4" in message
    assert "tta was none, now d4" in message
    assert "model" not in message
    assert "--overwrite" in message
    assert recorded_run(tmp_path / "o.tif")[1] == [{"row": 0}]


def test_overwrite_throws_another_run_away_and_continues_the_same_one(tmp_path):
    begin(tmp_path / "o.tif")
    (journal_folder(tmp_path / "o.tif") / "piece").write_text("old")
    with open_journal(tmp_path / "o.tif", RUN, overwrite=True) as journal:
        assert len(journal.entries) == 1
    with open_journal(tmp_path / "o.tif", {**RUN, "model": "b"}, overwrite=True) as journal:
        assert journal.entries == []
        assert not (journal.folder / "piece").exists()
        journal.record({"row": 7})
    assert recorded_run(tmp_path / "o.tif") == ({**RUN, "model": "b", "bands": [1, 2]}, [{"row": 7}])


@pytest.mark.parametrize("kept", [1, 5, 10, 11])
def test_a_line_that_was_cut_short_counts_as_not_written(tmp_path, kept):
    begin(tmp_path / "o.tif", entries=2)
    path = journal_folder(tmp_path / "o.tif") / "journal.jsonl"
    raw = path.read_bytes()
    path.write_bytes(raw[: raw.rindex(b'{"row"') + kept - 1])
    with open_journal(tmp_path / "o.tif", RUN) as journal:
        whole = [{"row": 0}, {"row": 1}] if kept == 11 else [{"row": 0}]
        assert journal.entries == whole
        journal.record({"row": 2})
    assert recorded_run(tmp_path / "o.tif")[1] == [*whole, {"row": 2}]


@pytest.mark.parametrize("raw", [b"", b"\n", b'{"form', b"[]\n", b'{"format": 99, "run": {}}\n{"row": 0}\n'])
def test_a_journal_that_is_nobody_s_is_never_continued(tmp_path, raw):
    folder = journal_folder(tmp_path / "o.tif")
    folder.mkdir()
    (folder / "journal.jsonl").write_bytes(raw)
    with open_journal(tmp_path / "o.tif", RUN, overwrite=True) as journal:
        assert journal.entries == []


def test_a_second_process_is_refused_and_disturbs_nothing(tmp_path):
    with open_journal(tmp_path / "o.tif", RUN) as journal:
        code = (
            "import sys\nfrom overland.raster.journal import open_journal\n"
            "with open_journal(__import__('pathlib').Path(sys.argv[1]), {}, overwrite=True): pass"
        )
        other = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "o.tif")], capture_output=True, text=True, check=False
        )
        assert "Another process is writing" in other.stderr
        journal.record({"row": 0})
    assert recorded_run(tmp_path / "o.tif")[1] == [{"row": 0}]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_that_dies_leaves_no_lock(tmp_path):
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom overland.raster.journal import open_journal\n"
        "with open_journal(Path(sys.argv[1]), {'a': 1}) as journal:\n"
        "    journal.record({'row': 0})\n    os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "o.tif")], check=False)
    with open_journal(tmp_path / "o.tif", {"a": 1}) as journal:
        assert journal.entries == [{"row": 0}]


def test_a_file_in_the_way_is_said(tmp_path):
    journal_folder(tmp_path / "o.tif").write_text("mine")
    with pytest.raises(UsageError, match="Move the file away"):
        begin(tmp_path / "o.tif")


def test_the_journal_is_lines_of_json(tmp_path):
    begin(tmp_path / "o.tif", entries=2)
    lines = (journal_folder(tmp_path / "o.tif") / "journal.jsonl").read_text().split("\n")
    assert [json.loads(line) for line in lines if line][1:] == [{"row": 0}, {"row": 1}]


def test_each_line_is_on_the_disk_before_the_work_goes_on(tmp_path, monkeypatch):
    synced = {}
    real = os.fsync

    def fsync(handle):
        status = os.fstat(handle)
        synced[status.st_ino] = status.st_size
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    with open_journal(tmp_path / "o.tif", RUN) as journal:
        path = journal.folder / "journal.jsonl"
        assert synced[path.stat().st_ino] == path.stat().st_size  # the identity of the run
        for number in range(3):
            journal.record({"row": number})
            assert synced[path.stat().st_ino] == path.stat().st_size


def test_a_folder_of_somebody_else_is_left_alone(tmp_path):
    folder = journal_folder(tmp_path / "o.tif")
    (folder / "thesis").mkdir(parents=True)
    with pytest.raises(UsageError, match="somebody else"):
        begin(tmp_path / "o.tif", overwrite=True)
    assert (folder / "thesis").is_dir()


def test_a_header_that_was_not_in_place_yet_is_no_obstacle(tmp_path):
    folder = journal_folder(tmp_path / "o.tif")
    folder.mkdir()
    (folder / "journal.jsonl.new").write_bytes(b"x")
    begin(tmp_path / "o.tif")
    assert recorded_run(tmp_path / "o.tif")[1] == [{"row": 0}]


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    with pytest.raises(UsageError, match="too long"):
        begin(tmp_path / ("x" * 252 + ".tif"))
