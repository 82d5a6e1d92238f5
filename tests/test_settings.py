import pytest
import yaml

from overland.errors import UsageError
from overland.settings import TrainSettings, recipe_names, train_settings_from_mapping, train_settings_from_source


def test_every_recipe_is_valid():
    for name in recipe_names():
        assert train_settings_from_source(name, {}).epochs >= 1


def test_every_setting_is_documented():
    for setting in TrainSettings.__dataclass_fields__.values():
        assert setting.metadata["help"].endswith(".")


def test_an_override_wins_over_the_file_and_the_file_over_the_default(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("epochs: 7\nbatch: 3\n")
    config = train_settings_from_source(path, {"batch": 5})
    assert (config.epochs, config.batch, config.imgsz) == (7, 5, 256)


def test_an_unknown_key_names_the_closest():
    with pytest.raises(UsageError, match="'epoch'; did you mean epochs?"):
        train_settings_from_mapping({"epoch": 3}, "own.yaml")


def test_an_unknown_recipe_names_the_closest():
    with pytest.raises(UsageError, match="did you mean unet-small?"):
        train_settings_from_source("unet-smal", {})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": "many"}, "epochs must be a whole number; got 'many'"),
        ({"epochs": True}, "epochs must be a whole number"),
        ({"flip": 1}, "flip must be true or false"),
        ({"lr": -1.0}, "lr must be above 0"),
        ({"scale": 0.5}, "scale must be at least 1"),
        ({"device": "gpu"}, "device is one of auto, cpu, cuda, mps; got gpu"),
        ({"bands": ["red"]}, "bands must be a whole number"),
    ],
)
def test_a_wrong_value_is_one_clear_error(values, message):
    with pytest.raises(UsageError, match=message):
        train_settings_from_mapping(values, "own.yaml")


def test_a_number_in_scientific_notation_is_a_number():
    # YAML 1.1 reads 1e-3 as text.
    assert train_settings_from_mapping(yaml.safe_load("lr: 1e-3"), "own.yaml").lr == 0.001


def test_plain_values_round_trip():
    config = train_settings_from_mapping({"bands": [3, 2, 1]}, "own.yaml")
    assert config.bands == (3, 2, 1)
    assert train_settings_from_mapping(config.to_dict(), "args.yaml") == config


@pytest.mark.parametrize("text", ["- a list", "a: b: c", ""])
def test_a_file_that_holds_no_settings_is_refused(tmp_path, text):
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match="own.yaml"):
        train_settings_from_source(path, {})
