"""overland recipes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from overland.cli.console import examples
from overland.cli.signature import command_from

if TYPE_CHECKING:
    from overland.workflows.list_recipes import ListRecipesResult, ShowRecipeResult

__all__ = ["command"]


class _ListByDefault(click.Group):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take `list` for the command where none is named.

        Args:
            ctx: The group's context.
            args: Words of the command line.

        Returns:
            Words that no parameter took.
        """
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


def _table(result: ListRecipesResult) -> str:
    width = max(len(recipe.name) for recipe in result.recipes)
    lines = [f"{'recipe':{width}}  {'task':13}  {'parameters':>10}"]
    lines += [f"{recipe.name:{width}}  {recipe.task:13}  {recipe.parameters:>10,}" for recipe in result.recipes]
    return "\n".join(
        [*lines, "", "All about one: overland recipes show NAME. Train it: overland train NAME --data DATA"]
    )


def _page(recipe: ShowRecipeResult) -> str:
    import yaml

    assumes = recipe.assumes
    return "\n".join(
        [
            f"{recipe.name}: {recipe.task}",
            "",
            click.wrap_text(recipe.description, 100),
            "",
            click.wrap_text(f"Source: {recipe.source}", 100),
            f"Parameters: {recipe.parameters:,} as {assumes['counts']} counts, for {assumes['bands']} bands and "
            f"{assumes['classes']} outputs: {recipe.trainable_parameters:,} trainable, "
            f"{recipe.batch_norm_statistics:,} statistics of batch normalisation",
            "",
            yaml.safe_dump(dict(recipe.settings), sort_keys=False).rstrip(),
        ]
    )


command.add_command(
    command_from(
        "overland.workflows.list_recipes:list_recipes",
        name="list",
        show=_table,
        examples=("overland recipes", "overland recipes list --json"),
    )
)
command.add_command(
    command_from(
        "overland.workflows.list_recipes:show_recipe",
        name="show",
        show=_page,
        examples=("overland recipes show road-unet", "overland recipes show street-unet-published --json"),
    )
)
