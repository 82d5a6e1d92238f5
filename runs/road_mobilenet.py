"""Roads from 80 images with an ImageNet encoder: `road-mobilenet` on `roads-epfl` (80 train, 20 val), scored on val.

    OMP_NUM_THREADS=1 python runs/road_mobilenet.py DATA OUTPUT [--minutes 30]

DATA holds roads-epfl/ and weights/mobilenet_v2_imagenet_bnfolded.npz. Scores: IoU of road, pooled, and the F1 of
16 x 16 patches as the course counts them; the threshold and the best epoch are chosen on the same 20 images.
"""

from __future__ import annotations

from comparing import compare, parser_of, started, write_comparison

_WEIGHTS = "weights/mobilenet_v2_imagenet_bnfolded.npz"


def main() -> None:
    """Train, score and keep the figures."""
    arguments = started(parser_of(__doc__ or "", minutes=30))
    weights, data = str(arguments.data / _WEIGHTS), arguments.data / "roads-epfl"
    trained = compare(data, ["road-mobilenet"], arguments, patches=True, encoder_weights=weights)
    write_comparison(arguments, {data.name: trained})


if __name__ == "__main__":
    main()
