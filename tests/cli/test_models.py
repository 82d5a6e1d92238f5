import json

from click.testing import CliRunner

from overland.cli.models import command


def test_the_list_says_what_each_model_is_for_and_whom_to_credit():
    result = CliRunner().invoke(command)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("buildings-drone\n")
    assert "\nroads\n" in result.stdout
    for part in ("background, road", "0.25 to 2 m", "MB", "IoU of road 0.", "MassGIS", "OpenStreetMap"):
        assert part in result.stdout


def test_json_is_one_object():
    values = json.loads(CliRunner().invoke(command, ["--json"]).stdout)
    assert [model["name"] for model in values["models"]] == ["buildings-drone", "roads", "roads-travel"]
    assert max(model["bytes"] for model in values["models"]) < 12_000_000


def test_without_any_pretrained_model_it_says_so(monkeypatch):
    monkeypatch.setattr("overland.workflows.list_models.pretrained_models", dict)
    assert CliRunner().invoke(command).stdout == "No pretrained model comes with this Overland.\n"
