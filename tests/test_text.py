from __future__ import annotations

from pathlib import Path

import pytest

from overland.errors import DataError, UsageError
from overland.text import check_name, decode_text, parse_yaml, read_text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-16-le", "utf-32", "cp1252"])
def test_text_of_any_system_is_read(encoding: str) -> None:
    assert decode_text("Zürich\nroad".encode(encoding)) == "Zürich\nroad"


def test_lines_end_in_one_way_and_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"a\r\nb\rc\n")
    assert read_text(tmp_path / "a.txt") == "a\nb\nc\n"
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe\x00\xd8")
    for name in ("b.txt", "nowhere.txt"):
        with pytest.raises(DataError, match=f"{name} cannot be read"):
            read_text(tmp_path / name)


def test_yaml_means_what_it_shows() -> None:
    text = "{a: no, b: on, c: 010, d: 1e-3, e: 12:30, f: true, g: ~, h: 2024-01-02, i: 0x10, j: -1, k: .5, l: yes}"
    assert parse_yaml(text, "x") == {
        "a": "no",
        "b": "on",
        "c": 10,
        "d": 0.001,
        "e": "12:30",
        "f": True,
        "g": None,
        "h": "2024-01-02",
        "i": 16,
        "j": -1,
        "k": 0.5,
        "l": "yes",
    }


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "the key a stands twice"),
        ("n: {1: road, 1: building}", "the key 1 stands twice"),
        ("a: !!python/object/apply:os.system [true]", "not valid YAML"),
        ("[" * 5000, "nested too deeply"),
        (BOMB, "more than 1000000 values"),
        ("just words", "must hold settings"),
        ("a: [", "not valid YAML"),
        ("a: \x07", "not valid YAML"),
    ],
)
def test_yaml_that_cannot_be_meant_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_yaml(text, "x.yaml")


@pytest.mark.parametrize("name", [None, "", "  ", {"a": 1}, [1], "ro\x1b[31mad", "a\nb", "a\u2028b"])
def test_what_is_no_name_is_refused(name: object) -> None:
    with pytest.raises(DataError, match="class name"):
        check_name(name, "x.yaml")


def test_names_are_text() -> None:
    assert [check_name(name, "x") for name in ("no", 1, True, " Straße ")] == ["no", "1", "True", "Straße"]
