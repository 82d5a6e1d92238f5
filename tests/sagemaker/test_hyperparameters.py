from pathlib import Path

import pytest

from overland.errors import UsageError
from overland.sagemaker.hyperparameters import settings_from_hyperparameters
from overland.training.settings import train_settings_from_source

LEAST = {"num_classes": "2", "num_training_samples": "1464"}


def config_of(**texts: str):
    job = settings_from_hyperparameters({**LEAST, **texts})
    return train_settings_from_source(job.recipe, job.settings)


def test_defaults_are_those_of_the_built_in_algorithm():
    job = settings_from_hyperparameters(LEAST)
    assert (job.recipe, job.num_classes, job.num_training_samples) == ("road-fcn", 2, 1464)
    config = config_of()
    assert (config.model["architecture"], config.encoder) == ("FCN", "resnet50")
    assert config.encoder_weights == "imagenet"
    assert (config.epochs, config.batch, config.lr, config.imgsz) == (10, 16, 0.001, 240)
    assert (config.optimizer, config.momentum, config.weight_decay) == ("sgd", 0.9, 0.0001)
    assert (config.schedule, config.patience) == ("poly", 0)


@pytest.mark.parametrize(("algorithm", "architecture"), [("fcn", "FCN"), ("psp", "PSPNet"), ("deeplab", "DeepLabV3")])
def test_each_algorithm_has_its_network(algorithm: str, architecture: str):
    config = config_of(algorithm=algorithm, backbone="resnet-101", use_pretrained_model="False")
    assert (config.model["architecture"], config.encoder) == (architecture, "resnet101")
    assert config.encoder_weights is None


def test_rmsprop_has_its_own_momentum_and_no_decay():
    config = config_of(optimizer="rmsprop", gamma2="0.8", momentum="0.5", weight_decay="0.01")
    assert (config.optimizer, config.momentum, config.weight_decay) == ("rmsprop", 0.8, 0.0)


def test_steps_of_the_learning_rate():
    config = config_of(lr_scheduler="step", lr_scheduler_step="10, 20", lr_scheduler_factor="0.5")
    assert (config.schedule, config.lr_epochs, config.lr_factor) == ("step", (10, 20), 0.5)


def test_early_stopping_has_patience_first_epochs_and_tolerance():
    config = config_of(early_stopping="True", early_stopping_patience="3", early_stopping_tolerance="0.01")
    assert (config.patience, config.min_epochs, config.min_delta) == (3, 5, 0.01)


def test_what_is_done_in_another_way_is_said():
    job = settings_from_hyperparameters(
        {**LEAST, "crop_size": "250", "base_size": "520", "syncbn": "True", "validation_mini_batch_size": "8"}
    )
    assert job.settings["imgsz"] == 256
    said = " ".join(job.notes)
    for word in ("crop_size 250 becomes 256", "base_size", "syncbn", "validation_mini_batch_size"):
        assert word in said


def test_everything_that_is_wrong_is_named_at_once():
    with pytest.raises(UsageError) as caught:
        settings_from_hyperparameters(
            {
                "num_classes": "1",
                "backbone": "resnet-18",
                "learning_rate": "fast",
                "early_stopping": "yes",
                "lr_scheduler": "step",
                "epoch": "3",
                "rotate": "-1",
            }
        )
    message = str(caught.value)
    assert message.startswith("8 hyperparameters are wrong")
    for words in (
        "num_classes must be a whole number from 2 to 254; got '1'",
        "num_training_samples is required",
        "backbone must be one of resnet-50, resnet-101",
        "learning_rate must be a number above 0",
        "early_stopping must be True or False; got 'yes'",
        "lr_scheduler_step is required when lr_scheduler is step",
        "epoch is no hyperparameter; did you mean epochs?",
        "rotate must be 0 or more",
    ):
        assert words in message


def test_settings_of_ours_go_with_the_built_in_algorithm_where_it_has_no_word():
    config = config_of(loss='{"cross_entropy": 1}', flipud="false", seed="7", device="cpu")
    assert (config.loss, config.flipud, config.seed) == ({"cross_entropy": 1}, False, 7)
    with pytest.raises(UsageError, match="batch is no hyperparameter"):
        config_of(batch="4")


def test_a_recipe_takes_every_setting_as_text():
    job = settings_from_hyperparameters(
        {
            "recipe": "unet-small",
            "model": '{"architecture": "PlainUnet", "width": 8}',
            "lr": "1e-3",
            "batch": "4",
            "bands": "1,2,3",
            "fliplr": "False",
            "encoder": "null",
            "min_foreground": "0.1",
            "chips": "grid",
            "monitor": "loss",
            "num_classes": "2",
        }
    )
    config = train_settings_from_source(job.recipe, job.settings)
    assert (config.model["width"], config.lr, config.batch, config.bands) == (8, 1e-3, 4, (1, 2, 3))
    assert (config.fliplr, config.encoder, config.min_foreground, config.monitor) == (False, None, 0.1, "loss")
    assert job.num_classes == 2


@pytest.mark.parametrize("texts", [{**LEAST, "epochs": "2"}, {"recipe": "unet-small", "epochs": "2"}])
def test_keys_that_the_service_adds_are_left_aside(texts: dict[str, str]):
    added = {"_tuning_objective_metric": "validation:mIOU", "sagemaker_region": '"eu-west-1"', "sagemaker_job": "x"}
    assert settings_from_hyperparameters({**texts, **added}) == settings_from_hyperparameters(texts)


def test_a_recipe_names_what_is_wrong_too():
    texts = {"recipe": "unet-smal", "epochs": "2.5", "mini_batch_size": "4", "project": "x", "num_classes": "many"}
    with pytest.raises(UsageError) as caught:
        settings_from_hyperparameters(texts)
    message = str(caught.value)
    assert message.startswith("5 hyperparameters are wrong")
    for words in (
        "did you mean unet-small?",
        "epochs must be a whole number; got 2.5",
        "mini_batch_size is no hyperparameter",
        "project is no hyperparameter",
        "num_classes must be a whole number from 2 to 254; got 'many'",
    ):
        assert words in message


def test_a_file_is_no_recipe_here(tmp_path: Path):
    with pytest.raises(UsageError, match="does not exist"):
        settings_from_hyperparameters({"recipe": str(tmp_path / "own.yaml")})
