"""Roads: road-unet and road-skeyenet as published against done right, the same minutes each.

    OMP_NUM_THREADS=1 python runs/compare_roads.py DATA OUTPUT [--minutes 10] [--only roads-epfl]

DATA holds roads-epfl and roads-massachusetts. The score is the IoU of road, pooled over the validation images, at the
threshold that is best there for either side, and at 0.5; on roads-epfl also the F1 of 16 x 16 patches.
"""

from __future__ import annotations

from comparing import compare, parser_of, started, write_comparison

_SETS = ("roads-epfl", "roads-massachusetts")
_RECIPES = ("road-unet-published", "road-unet", "road-skeyenet-published", "road-skeyenet")


def main() -> None:
    """Train, score and keep the figures."""
    parser = parser_of(__doc__ or "", minutes=10)
    parser.add_argument("--only", choices=_SETS)
    arguments = started(parser)
    names = [arguments.only] if arguments.only else _SETS
    figures = {
        name: compare(arguments.data / name, _RECIPES, arguments, patches=name == "roads-epfl") for name in names
    }
    write_comparison(arguments, figures)


if __name__ == "__main__":
    main()
