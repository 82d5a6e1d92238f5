from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from made_sets import make_mask, save, write_set
from overland.cli.data import command


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [*map(str, arguments)])


def test_chips_say_what_was_kept_and_dropped(tmp_path: Path) -> None:
    result = run("chips", write_set(tmp_path / "data"), tmp_path / "out", "--chip-size", "8", "--min-foreground", "0.5")
    assert result.exit_code == 0, result.output
    assert "train  4 images, 12 chips; dropped: 36 little foreground" in result.stdout
    assert "val    2 images, 24 chips\n" in result.stdout


def test_json_of_chips_is_one_object(tmp_path: Path) -> None:
    result = run("chips", write_set(tmp_path / "data"), tmp_path / "out", "--chip-size", "32", "--json")
    values = json.loads(result.stdout)
    assert values["splits"]["train"]["class_fractions"] == {"background": 0.75, "road": 0.25}
    assert values["splits"]["train"]["padded"] == 4


def test_channels_name_the_hyperparameters(tmp_path: Path) -> None:
    result = run("to-channels", write_set(tmp_path / "data"), tmp_path / "out")
    assert "hyperparameters: num_classes=2, num_training_samples=4." in result.stdout


def test_encode_shows_the_codes(tmp_path: Path) -> None:
    like = write_set(tmp_path / "data", high=255)
    result = run("encode", save(tmp_path / "m.png", make_mask()), tmp_path / "out.png", "--like", like)
    assert result.stdout.strip().endswith("out.png: background 0, road 255.")


def test_from_coco(tmp_path: Path) -> None:
    write_set(tmp_path / "data")
    values = {
        "images": [{"id": 1, "file_name": "img-0.png", "height": 24, "width": 32}],
        "categories": [{"id": 1, "name": "road"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[0, 0, 16, 0, 16, 24, 0, 24]]}],
    }
    (tmp_path / "c.json").write_text(json.dumps(values))
    result = run("from-coco", tmp_path / "c.json", tmp_path / "data/images/train", tmp_path / "out")
    assert "train  1 images: background 50.0%, road 50.0%" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("chips", "nowhere", "out", "--chip-size", "8"), 3),
        (("chips", "nowhere", "out", "--chip-size", "0"), 2),
        (("to-channels", "nowhere", "out"), 3),
        (("from-coco", "nowhere.json", "images", "out"), 3),
        (("encode", "nowhere.png", "out.png", "--like", "nowhere"), 3),
    ],
)
def test_an_error_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == code
    assert result.stderr.startswith("Error: ")
    assert "Traceback" not in result.output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["chips", "from-coco", "to-channels", "encode"])
def test_the_help_has_examples(name: str) -> None:
    assert f"overland data {name} " in run(name, "--help").output
