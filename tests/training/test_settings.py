import pytest
import yaml

from overland.errors import UsageError
from overland.training.settings import (
    recipe_names,
    train_settings_from_mapping,
    train_settings_from_source,
)


def test_every_recipe_is_valid():
    for name in recipe_names():
        assert train_settings_from_source(name, {}).epochs >= 1


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
        ({"flipud": 1}, "flipud must be true or false"),
        ({"lr": -1.0}, "lr must be above 0"),
        ({"scale": 0.5}, "scale must be at least 1"),
        ({"device": "gpu"}, "device is one of auto, cpu, cuda, mps; got gpu"),
        ({"bands": ["red"]}, "bands must be a whole number"),
        ({"bands": [0]}, "bands must be numbers from 1"),
        ({"lr": float("inf")}, "lr must be a number"),
        ({"minutes": "nan"}, "minutes must be a number"),
        ({"seed": -1}, "seed must be 0 or more"),
        ({"seed": 10**20}, "seed must be at most"),
        ({"schedule": "step"}, "needs lr_epochs"),
        ({"monitor": "dice"}, "monitor is one of iou, loss; got dice"),
        ({"reproduce": {"resise": 3}}, "'resise'; did you mean resize?"),
        ({"reproduce": {"resize": -3}}, "resize must be 0 or more"),
        ({"optimizer": "adamx"}, "optimizer is one of .*; did you mean adam"),
    ],
)
def test_a_wrong_value_is_one_clear_error(values, message):
    with pytest.raises(UsageError, match=message):
        train_settings_from_mapping(values, "own.yaml")


def test_a_number_in_scientific_notation_is_a_number():
    # YAML 1.1 reads 1e-3 as text.
    assert train_settings_from_mapping(yaml.safe_load("lr: 1e-3"), "own.yaml").lr == 0.001


def test_plain_values_round_trip():
    config = train_settings_from_mapping({"bands": [3, 2, 1], "reproduce": {"resize": 224}}, "own.yaml")
    assert (config.bands, config.reproduce.resize) == ((3, 2, 1), 224)
    assert train_settings_from_mapping(config.to_dict(), "args.yaml") == config


@pytest.mark.parametrize("text", ["- a list", "a: b: c", ""])
def test_a_file_that_holds_no_settings_is_refused(tmp_path, text):
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match="own.yaml"):
        train_settings_from_source(path, {})
