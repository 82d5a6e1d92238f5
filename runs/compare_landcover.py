"""Land cover: landcover-unet as published against done right, the same minutes each, on a few images of DeepGlobe.

    OMP_NUM_THREADS=1 python runs/compare_landcover.py DATA OUTPUT [--minutes 8]

DATA holds deepglobe-landcover/, 7 labelled images, split by image with seed 0: five to train and two to score, so that
the two have all six classes. The score is the mean IoU pooled over them, unknown left out. Seven images are evidence of
little but that one way learns faster.
"""

from __future__ import annotations

from comparing import compare, parser_of, started, write_comparison
from overland.workflows.prepare_chips import prepare_chips


def main() -> None:
    """Train, score and keep the figures."""
    arguments = started(parser_of(__doc__ or "", minutes=8))
    data = arguments.output / "deepglobe-landcover"
    # Whole images as chips: only the split is another, two of the seven where training itself would take one.
    prepare_chips(
        arguments.data / data.name, data, chip_size=2448, val_fraction=2 / 7, seed=arguments.seed, overwrite=True
    )
    write_comparison(arguments, {data.name: compare(data, ("landcover-unet-published", "landcover-unet"), arguments)})


if __name__ == "__main__":
    main()
