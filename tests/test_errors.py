import pytest

from overland import errors


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (errors.OverlandError, 1),
        (errors.UsageError, 2),
        (errors.MissingExtraError, 2),
        (errors.DataError, 3),
        (errors.AccessError, 4),
        (errors.ResourceError, 5),
    ],
)
def test_exit_codes(error, exit_code):
    assert error.exit_code == exit_code
    assert issubclass(error, errors.OverlandError)


def test_import_extra_gives_the_module():
    assert errors.import_extra("json", "train", "Reading").loads("1") == 1


def test_a_missing_extra_is_one_sentence_with_the_command():
    with pytest.raises(
        errors.MissingExtraError, match=r"Flying needs no_such_package.*pip install 'overland\[train\]'"
    ):
        errors.import_extra("no_such_package.wings", "train", "Flying")


def test_a_fault_inside_an_installed_package_is_not_called_missing(tmp_path, monkeypatch):
    (tmp_path / "broken_package.py").write_text("import another_missing_package\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="another_missing_package"):
        errors.import_extra("broken_package", "train", "Breaking")
