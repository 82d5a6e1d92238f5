from __future__ import annotations

import gc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from overland.web.app.results import MappedImage
from overland.web.app.session import Session, Upload


def made_upload(deleted: list[str], name: str) -> Upload:
    job: Any = SimpleNamespace(delete=lambda: deleted.append(name), state="running")
    return Upload(name, "model", None, job)  # type: ignore[arg-type]


def test_everything_of_a_session_goes_with_it(tmp_path: Path) -> None:
    deleted: list[str] = []
    session = Session(tmp_path / "session")
    session.folder.mkdir()
    folder = session.folder
    session.uploads["a", "m"] = made_upload(deleted, "a")
    session.uploads["b", "m"] = made_upload(deleted, "b")
    (folder / "x.tif").write_text("")
    session.drop(("a", "m"))
    assert deleted == ["a"]
    del session
    gc.collect()
    assert deleted == ["a", "b"]
    assert not folder.exists()


def test_the_example_is_shared_but_not_what_is_made_of_it(result: MappedImage, tmp_path: Path) -> None:
    one, two = Session(tmp_path / "one"), Session(tmp_path / "two")
    mine = one.example(result)
    assert one.example(result) is mine
    assert mine.mask == result.mask
    assert len({mine.folder, two.example(result).folder, result.folder}) == 3
