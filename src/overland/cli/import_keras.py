"""`overland import-keras`: a network that Keras saved, as a model bundle."""

from __future__ import annotations

from typing import Any

import click

from overland.cli.console import Outcome, common_options, examples

__all__ = ["command"]


@click.command(
    "import-keras",
    epilog=examples(
        "overland import-keras road_unet.h5 roads --names road --threshold 0.4",
        "overland import-keras landcover.keras landcover \\",
        "      --names urban,agriculture,rangeland,forest,water,barren,unknown",
        "overland import-keras street.h5 street --normalize none --scene street1.png --scene street2.png",
    ),
)
@click.argument("source", metavar="FILE", type=click.Path())
@click.argument("output", metavar="OUT", type=click.Path())
@click.option(
    "--names",
    metavar="NAME,NAME,...",
    help="Classes in the order of the network's results; for a network with one result the class of interest.  "
    "[default: foreground, or class 0, class 1, ...]",
)
@click.option(
    "--normalize",
    type=click.Choice(["unit", "imagenet", "none"]),
    help="How pixels were scaled in training: unit divides by 255, imagenet takes ImageNet's mean and std, none leaves "
    "them as they are.  [default: none for a network that scales them itself, else unit]",
)
@click.option("--mean", metavar="X,X,...", help="Mean of each band in training, in pixel values; goes with --std.")
@click.option("--std", metavar="X,X,...", help="Standard deviation of each band in training, in pixel values.")
@click.option("--threshold", type=float, metavar="X", help="Score from which a pixel is of the class.  [default: 0.5]")
@click.option("--resolution-m", type=float, metavar="X", help="Side in metres of a pixel of the training images.")
@click.option(
    "--scene",
    "scenes",
    multiple=True,
    type=click.Path(),
    help="Image like those to be mapped; the halo is measured on it (repeat it).  [default: a quarter of a chip]",
)
@click.option("--overwrite", is_flag=True, help="Replace OUT if it is a model.")
@common_options
def command(source: str, output: str, names: str | None, mean: str | None, std: str | None, **options: Any) -> Outcome:
    """Turn a network that Keras saved into the bundle OUT, which gives the same scores.

    FILE is a whole model: an .h5 of Keras 2 or 3 or a .keras file. Keras is not needed and nothing in the file is
    executed: layers that hold Python code are refused. Needs the extra `train`.
    """
    given = [name.strip() for name in names.split(",")] if names else []
    means, stds = _numbers(mean, "--mean"), _numbers(std, "--std")
    if bool(means) != bool(stds):
        raise click.UsageError("--mean and --std go together.")
    from overland.workflows.import_keras import import_keras

    values = import_keras(source, output, names=given, mean=means, std=stds, **options)
    return Outcome(values, _text(values))


def _numbers(text: str | None, option: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")] if text else []
    except ValueError:
        raise click.BadParameter(f"give numbers such as 100,105,98; got {text!r}.", param_hint=option) from None


def _text(values: dict[str, Any]) -> str:
    bands = f"{values['bands']} band{'s' if values['bands'] > 1 else ''}"
    sides = f"Chips of {values['chip_size']} pixels, sides in multiples of {values['size_divisor']}"
    return "\n".join(
        [
            f"Keras {values['keras_version']}, {values['parameters']:,} parameters, {bands}",
            f"Classes: {', '.join(values['classes'])}",
            f"{sides}, halo {values['halo']}",
            f"Written: {values['output']}",
        ]
    )
