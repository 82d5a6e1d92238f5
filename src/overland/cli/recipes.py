"""overland recipes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from overland.cli.console import Outcome, common_options, examples

__all__ = ["command"]


class _ListByDefault(click.Group):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        asks_help = bool({"-h", "--help"} & set(args))
        if not asks_help and (not args or args[0].startswith("-")):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(
    "recipes",
    cls=_ListByDefault,
    epilog=examples("overland recipes", "overland recipes --json", "overland recipes show road-unet-published"),
)
def command() -> None:
    """List the recipes that come with Overland, or show one.

    A recipe is a network and every setting of its training. NAME-published trains a reference system as it was
    published, NAME the same system done right. Without a command: list.
    """


@command.command("list", epilog=examples("overland recipes", "overland recipes list --json"))
@common_options
def list_command() -> Outcome:
    """List all recipes, with system, task and parameters."""
    from overland.workflows.list_recipes import list_recipes

    found = list_recipes()
    return Outcome(found, _table(found["recipes"]))


@command.command(
    "show", epilog=examples("overland recipes show road-unet", "overland recipes show street-unet-published --json")
)
@click.argument("name")
@common_options
def show_command(name: str) -> Outcome:
    """Show one recipe: what it is, where it comes from, its parameters, every setting."""
    from overland.workflows.list_recipes import show_recipe

    found = show_recipe(name)
    return Outcome(found, _page(found))


def _table(recipes: list[Mapping[str, Any]]) -> str:
    width = max(len(recipe["name"]) for recipe in recipes)
    lines = [f"{'recipe':{width}}  {'system':6}  {'task':13}  {'parameters':>10}"]
    lines += [
        f"{recipe['name']:{width}}  {recipe['system'] or '-':6}  {recipe['task']:13}  {recipe['parameters']:>10,}"
        for recipe in recipes
    ]
    return "\n".join(
        [*lines, "", "All about one: overland recipes show NAME. Train it: overland train NAME --data DATA"]
    )


def _page(recipe: Mapping[str, Any]) -> str:
    import yaml

    assumes = recipe["assumes"]
    return "\n".join(
        [
            f"{recipe['name']}: {recipe['task']}" + (f", system {recipe['system']}" if recipe["system"] else ""),
            "",
            click.wrap_text(recipe["description"], 100),
            "",
            click.wrap_text(f"Source: {recipe['source']}", 100),
            f"Parameters: {recipe['parameters']:,} as {assumes['counts']} counts, for {assumes['bands']} bands and "
            f"{assumes['classes']} outputs: {recipe['trainable_parameters']:,} trainable, "
            f"{recipe['batch_norm_statistics']:,} statistics of batch normalisation",
            "",
            yaml.safe_dump(recipe["settings"], sort_keys=False).rstrip(),
        ]
    )
