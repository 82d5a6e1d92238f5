"""Street scenes: street-unet as published against done right, the same minutes each, on CamVid (367 train, 101 val).

    OMP_NUM_THREADS=1 python runs/compare_street.py DATA OUTPUT [--minutes 15]

DATA holds camvid/. The score is the mean IoU over 11 classes, ignored pixels left out, pooled over the 101 images.
"""

from __future__ import annotations

from comparing import compare, parser_of, started, write_comparison


def main() -> None:
    """Train, score and keep the figures."""
    arguments = started(parser_of(__doc__ or "", minutes=15))
    recipes = ("street-unet-published", "street-unet")
    write_comparison(arguments, {"camvid": compare(arguments.data / "camvid", recipes, arguments)})


if __name__ == "__main__":
    main()
