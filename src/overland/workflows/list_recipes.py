"""List the recipes that come with Overland, or show all that one of them says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from overland.errors import UsageError
from overland.result import Result
from overland.text import closest_name
from overland.training.settings import recipe_names, recipe_values, train_settings_from_source

__all__ = ["ListRecipesResult", "RecipeSummary", "ShowRecipeResult", "list_recipes", "show_recipe"]


@dataclass(frozen=True)
class RecipeSummary:
    """One line of the list of recipes.

    Args:
        name: Name that `overland train` takes.
        task: Task, such as "roads".
        parameters: Number of parameters, counted as the system's own framework counts.
        description: A few sentences.
    """

    name: str
    task: str
    parameters: int
    description: str


@dataclass(frozen=True)
class ListRecipesResult(Result):
    """The recipes that come with Overland.

    Args:
        recipes: Recipes, sorted by name.
    """

    recipes: tuple[RecipeSummary, ...]


@dataclass(frozen=True)
class ShowRecipeResult(Result):
    """A recipe with every setting resolved, and the size of its network.

    Args:
        name: Name that `overland train` takes.
        task: Task, such as "roads".
        description: A few sentences.
        source: Paper or system.
        assumes: Bands and classes that the network is built for here, and the framework whose way of counting holds.
        parameters: Number of parameters: Keras includes the statistics of batch normalisation, PyTorch does not.
        trainable_parameters: Number of trainable parameters.
        batch_norm_statistics: Number of statistics of batch normalisation.
        settings: Every setting of the training.
    """

    name: str
    task: str
    description: str
    source: str
    assumes: Mapping[str, Any]
    parameters: int
    trainable_parameters: int
    batch_norm_statistics: int
    settings: Mapping[str, Any]


def list_recipes() -> ListRecipesResult:
    """List all recipes, with task and parameters.

    Needs no PyTorch: the number of parameters stands in the recipe, and a test keeps it true.

    Returns:
        The recipes, sorted by name.
    """
    found = [(name, recipe_values(name)) for name in recipe_names()]
    return ListRecipesResult(
        tuple(
            RecipeSummary(
                name=name,
                task=values["task"],
                parameters=values["assumes"]["parameters"],
                description=values["description"],
            )
            for name, values in found
        )
    )


def show_recipe(name: str) -> ShowRecipeResult:
    """Show one recipe: its description and source, its parameters, every setting.

    Args:
        name: Name of a recipe.

    Returns:
        The recipe with every setting resolved.

    Raises:
        UsageError: There is no such recipe; the closest name is said.
        MissingExtraError: PyTorch is not installed, which counts the parameters.
    """
    names = recipe_names()
    if name not in names:
        raise UsageError(f"There is no recipe {name!r}{closest_name(name, names)}. Recipes: {', '.join(names)}.")
    # Here, so that the list of recipes needs no PyTorch.
    from overland.models import build_model, model_settings, parameter_counts

    values = recipe_values(name)
    settings = train_settings_from_source(name, {}).to_dict()
    assumes = {key: value for key, value in values["assumes"].items() if key != "parameters"}
    assumes.setdefault("counts", "pytorch")
    network = build_model(model_settings(settings["model"], in_channels=assumes["bands"], classes=assumes["classes"]))
    trainable, statistics = parameter_counts(network)
    return ShowRecipeResult(
        name=name,
        task=values["task"],
        description=values["description"],
        source=values["source"],
        assumes=assumes,
        parameters=trainable + (statistics if assumes["counts"] == "keras" else 0),
        trainable_parameters=trainable,
        batch_norm_statistics=statistics,
        settings=settings,
    )
