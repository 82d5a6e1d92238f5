from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from download_made import SIGNATURE, Stub, archive_server
from overland.datasets.download.fetch import fetch_file
from overland.errors import AccessError, UsageError
from overland.output import sha256_of

CONTENT = np.random.default_rng(3).bytes(5_000_000)
HTTP = ("http",)


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("overland.datasets.download.fetch.PAUSES_S", [0.0] * 3)
    with archive_server({"set.zip": CONTENT}) as server:
        yield server


def test_a_file_arrives_whole_and_leaves_nothing_beside_it(stub: Stub, tmp_path: Path) -> None:
    found = fetch_file(f"{stub.url}/set.zip", tmp_path / "in/set.zip", schemes=HTTP)
    assert found == hashlib.sha256(CONTENT).hexdigest() == sha256_of(tmp_path / "in/set.zip")
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["set.zip"]


def test_a_cut_connection_is_continued_in_the_same_run(stub: Stub, tmp_path: Path) -> None:
    stub.cuts = [1_500_000, 2_000_000]
    fetch_file(f"{stub.url}/set.zip", tmp_path / "set.zip", schemes=HTTP)
    assert (tmp_path / "set.zip").read_bytes() == CONTENT
    assert stub.ranges() == [None, "bytes=1500000-", "bytes=3500000-"]


def test_a_run_that_gave_up_is_continued_by_the_next(stub: Stub, tmp_path: Path) -> None:
    stub.cuts = [1_000_000]
    stub.statuses = [0, 503, 503, 503, 503]
    with pytest.raises(AccessError, match=r"set\.zip could not be downloaded: HTTP 503.*run this again to go on"):
        fetch_file(f"{stub.url}/set.zip", tmp_path / "set.zip", schemes=HTTP)
    assert not (tmp_path / "set.zip").exists()
    fetch_file(f"{stub.url}/set.zip", tmp_path / "set.zip", schemes=HTTP)
    assert stub.ranges()[-1] == "bytes=1000000-"
    assert (tmp_path / "set.zip").read_bytes() == CONTENT


def test_a_file_that_changed_meanwhile_is_taken_anew(stub: Stub, tmp_path: Path) -> None:
    stub.cuts, stub.statuses = [1_000_000], [0, 503, 503, 503, 503]
    with pytest.raises(AccessError):
        fetch_file(f"{stub.url}/set.zip", tmp_path / "set.zip", schemes=HTTP)
    stub.etag, stub.files["set.zip"] = '"two"', CONTENT[::-1]
    fetch_file(f"{stub.url}/set.zip", tmp_path / "set.zip", schemes=HTTP)
    assert (tmp_path / "set.zip").read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("case", ["no ranges", "weak tag"])
def test_what_cannot_be_continued_safely_starts_again(stub: Stub, tmp_path: Path, case: str) -> None:
    if case == "no ranges":
        stub.has_ranges = False
    else:
        stub.etag = 'W/"one"'
    stub.cuts = [3_000_000]
    fetch_file(f"{stub.url}/set.zip", tmp_path / "set.zip", schemes=HTTP)
    assert (tmp_path / "set.zip").read_bytes() == CONTENT


def test_a_part_that_is_the_whole_file_already_is_kept(stub: Stub, tmp_path: Path) -> None:
    url = f"{stub.url}/set.zip"
    (tmp_path / "set.zip.part").write_bytes(CONTENT)
    (tmp_path / "set.zip.part.json").write_text(json.dumps({"url": url, "version": stub.etag}))
    fetch_file(url, tmp_path / "set.zip", schemes=HTTP)
    assert (tmp_path / "set.zip").read_bytes() == CONTENT
    assert stub.ranges() == ["bytes=5000000-"]


def test_other_bytes_than_promised_are_not_kept(stub: Stub, tmp_path: Path) -> None:
    with pytest.raises(AccessError, match=r"damaged or changed: its SHA-256 is \w{64} and should be 00"):
        fetch_file(f"{stub.url}/set.zip", tmp_path / "set.zip", sha256="00", schemes=HTTP)
    assert list(tmp_path.iterdir()) == []


def test_a_refusal_is_one_sentence_without_the_query(stub: Stub, tmp_path: Path) -> None:
    with pytest.raises(AccessError, match="HTTP 404") as caught:
        fetch_file(f"{stub.url}/gone.zip?key={SIGNATURE}", tmp_path / "set.zip", schemes=HTTP)
    assert SIGNATURE not in str(caught.value)


def test_no_server_is_an_access_error(stub: Stub, tmp_path: Path) -> None:
    with pytest.raises(AccessError, match="could not be downloaded: Connection refused"):
        fetch_file("http://127.0.0.1:9/set.zip", tmp_path / "set.zip", schemes=HTTP)


def test_only_https_unless_a_test_says_otherwise(stub: Stub, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="only https is safe"):
        fetch_file(f"{stub.url}/set.zip", tmp_path / "set.zip")
    assert stub.asked == []
