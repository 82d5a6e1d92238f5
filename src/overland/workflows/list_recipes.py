"""The recipes that come with Overland: what there is, and all that one of them says."""

from __future__ import annotations

import importlib.resources
from typing import Any

from overland.errors import UsageError
from overland.text import closest_name, load_yaml
from overland.training.settings import recipe_names, train_settings_from_source

__all__ = ["list_recipes", "show_recipe"]


def list_recipes() -> dict[str, Any]:
    """All recipes: `recipes`, each with its name, the reference system it belongs to, its task and its parameters.

    Needs no PyTorch: the number of parameters stands in the recipe, and a test keeps it true.
    """
    return {"recipes": [_line(name) for name in recipe_names()]}


def show_recipe(name: str) -> dict[str, Any]:
    """One recipe with every setting resolved, its description and source, and the size of its network.

    The network is built for the `bands` and `classes` that `assumes` gives. `parameters` is counted as the system's own
    framework counts (`counts`): Keras includes the statistics of batch normalisation, PyTorch does not.
    `trainable_parameters` and `batch_norm_statistics` stand beside it. Raises `UsageError` for an unknown recipe,
    `MissingExtraError` without PyTorch.
    """
    values = _values(name)
    settings = train_settings_from_source(name, {}).to_dict()
    assumes = {key: value for key, value in values["assumes"].items() if key != "parameters"}
    assumes.setdefault("counts", "pytorch")
    trainable, statistics = _counts(settings["model"], assumes)
    return {
        "name": name,
        "system": values.get("system"),
        "task": values["task"],
        "description": values["description"],
        "source": values["source"],
        "assumes": assumes,
        "parameters": trainable + (statistics if assumes["counts"] == "keras" else 0),
        "trainable_parameters": trainable,
        "batch_norm_statistics": statistics,
        "settings": settings,
    }


def _line(name: str) -> dict[str, Any]:
    values = _values(name)
    return {
        "name": name,
        "system": values.get("system"),
        "task": values["task"],
        "parameters": values["assumes"]["parameters"],
        "description": values["description"],
    }


def _values(name: str) -> dict[str, Any]:
    if name not in recipe_names():
        raise UsageError(
            f"There is no recipe {name!r}{closest_name(name, recipe_names())}. Recipes: {', '.join(recipe_names())}."
        )
    with importlib.resources.as_file(importlib.resources.files("overland.recipes") / f"{name}.yaml") as path:
        return load_yaml(path)


def _counts(model: dict[str, Any], assumes: dict[str, Any]) -> tuple[int, int]:
    # Here, so that the list of recipes needs no PyTorch.
    from overland.models import build_model, model_settings, parameter_counts

    return parameter_counts(
        build_model(model_settings(model, in_channels=assumes["bands"], classes=assumes["classes"]))
    )
