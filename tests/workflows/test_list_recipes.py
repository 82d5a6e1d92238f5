import importlib.util
import sys

import pytest

from overland.errors import MissingExtraError, UsageError
from overland.training.settings import recipe_names, train_settings_from_source
from overland.workflows.list_recipes import list_recipes, show_recipe

PAIRS = ("road-unet", "road-deeplabv3plus", "road-skeyenet", "landcover-unet", "street-unet", "road-fcn", "road-psp")
PAIRS += ("road-deeplabv3",)
NEEDS_TORCH = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs the extra train")


def test_every_system_has_a_pair_of_recipes():
    found = {recipe.name: recipe for recipe in list_recipes().recipes}
    assert len(found) >= 16
    for name in PAIRS:
        assert found[f"{name}-published"].description.startswith("As published: ")
        assert found[name].description.startswith("Done right: ")


def test_every_recipe_says_what_it_is_and_where_it_comes_from():
    for recipe in list_recipes().recipes:
        assert recipe.task in ("roads", "buildings", "land cover", "street scenes", "any")
        assert recipe.parameters > 0
        assert len(recipe.description) > 80
        train_settings_from_source(recipe.name, {})


def test_the_list_needs_no_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "overland.models", None)
    assert list_recipes().recipes


def test_to_show_one_without_torch_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("overland.models")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'overland\[train\]'"):
        show_recipe("road-unet")


# design: total parameters (Keras counts statistics among them, PyTorch does not), trainable ones.
@pytest.mark.parametrize(
    ("name", "parameters", "trainable"),
    [
        ("road-unet-published", 7_771_873, 7_765_985),
        ("road-unet", 7_771_873, 7_765_985),
        ("road-deeplabv3plus-published", 26_677_842, 26_677_842),
        ("road-skeyenet-published", 1_946_993, 1_944_049),
        ("road-skeyenet", 1_946_993, 1_944_049),
        ("landcover-unet-published", 31_032_135, 31_032_135),
        ("landcover-unet-bn-published", 31_055_687, 31_043_911),
        ("street-unet-published", 31_031_464, 31_031_464),
    ],
)
@NEEDS_TORCH
def test_parameters_as_published(name, parameters, trainable):
    found = show_recipe(name)
    assert found.parameters == parameters
    assert found.trainable_parameters == trainable


@NEEDS_TORCH
@pytest.mark.parametrize("name", recipe_names())
def test_the_numbers_of_the_list_are_those_of_the_network(name):
    import torch

    from overland.models import size_divisor_of

    with torch.device("meta"):
        found = show_recipe(name)
        line = next(recipe for recipe in list_recipes().recipes if recipe.name == name)
        assert found.parameters == line.parameters
        network = _network(found)
        settings = train_settings_from_source(name, {})
        side, divisor = settings.reproduce.resize or settings.imgsz, size_divisor_of(network)
        assert side % divisor == 0
        side = 8 * divisor
        chips = torch.zeros(2, found.assumes["bands"], side, side)
        assert network(chips).shape == (2, found.assumes["classes"], side, side)


@NEEDS_TORCH
@pytest.mark.parametrize("name", recipe_names())
def test_the_loss_of_every_recipe_can_be_made(name):
    import torch

    from overland.models import loss_from_terms

    settings = train_settings_from_source(name, {})
    outputs = settings.model.get("classes", 3)
    loss = loss_from_terms(settings.loss, num_outputs=outputs, class_weights=torch.ones(max(2, outputs)))
    target = torch.arange(64).reshape(1, 8, 8) % outputs
    wrong = torch.nn.functional.one_hot((target + 1) % outputs, outputs).movedim(-1, 1) * 9.0
    right = torch.nn.functional.one_hot(target, outputs).movedim(-1, 1) * 9.0
    assert 0 <= loss(right, target) < 0.1 < loss(wrong, target)


def test_an_unknown_recipe_is_one_clear_error():
    with pytest.raises(UsageError, match="did you mean road-unet"):
        show_recipe("road-unt")


def _network(found):
    from overland.models import build_model, model_settings

    assumes = found.assumes
    return build_model(
        model_settings(found.settings["model"], in_channels=assumes["bands"], classes=assumes["classes"])
    )
