import json

import pytest
from click.testing import CliRunner

from overland.cli import overland


def run(*words):
    return CliRunner().invoke(overland, ["import-keras", *map(str, words)])


@pytest.fixture
def model(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    pytest.importorskip("h5py")
    from keras_made import bright_model
    from overland.workflows import import_keras

    monkeypatch.setattr(import_keras, "measure_memory_per_pixel", lambda bundle: None)
    return bright_model(tmp_path / "roads.h5")


def test_people_are_told_what_was_found_and_assumed(model, tmp_path):
    result = run(model, tmp_path / "out", "--names", "road")
    assert result.exit_code == 0, result.stderr
    assert "Keras 2.2.4, 28 parameters, 3 bands\nClasses: background, road" in result.stdout
    assert "Chips of 64 pixels, sides in multiples of 1, halo 16" in result.stdout
    assert f"Written: {tmp_path / 'out'}" in result.stdout
    assert "Pixels are divided by 255; if training did otherwise, say so" in result.stderr


def test_options_reach_the_workflow(model, tmp_path):
    result = run(model, tmp_path / "out", "--mean", "1,2,3", "--std", "4", "--threshold", "0.3", "--json", "-q")
    values = json.loads(result.stdout)
    assert (values["mean"], values["std"], values["threshold"]) == ([1, 2, 3], [4, 4, 4], 0.3)


@pytest.mark.parametrize(
    ("words", "exit_code", "message"),
    [
        (["--mean", "1,2,3", "--std", "nan,1,1"], 2, "are numbers; got nan"),
        (["--resolution-m", "-1"], 2, "above 0; got -1"),
        (["--mean", "1"], 2, "--mean and --std go together"),
        (["--mean", "one", "--std", "1"], 2, "numbers with commas between them"),
        (["--normalize", "l2"], 2, "is not one of"),
        (["--names", "a,b,c"], 2, "3 names were given"),
    ],
)
def test_bad_options_are_one_sentence(model, tmp_path, words, exit_code, message):
    result = run(model, tmp_path / "out", *words)
    assert (result.exit_code, message in result.stderr) == (exit_code, True)


def test_a_file_that_is_no_model_is_one_sentence(tmp_path):
    pytest.importorskip("torch")
    (tmp_path / "a.h5").write_text("x")
    result = run(tmp_path / "a.h5", tmp_path / "out")
    assert result.exit_code == 3
    assert "neither HDF5 nor a .keras archive" in result.stderr
