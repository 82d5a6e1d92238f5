import pytest

from overland.errors import UsageError
from overland.output import check_folder, free_folder, write_folder


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
