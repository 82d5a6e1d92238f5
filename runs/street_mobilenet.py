"""Street scenes with an ImageNet encoder: `street-mobilenet` on CamVid (367 train, 101 val), scored on val.

    OMP_NUM_THREADS=1 python runs/street_mobilenet.py DATA OUTPUT [--minutes 45]

DATA holds camvid/ and weights/mobilenet_v2_imagenet_bnfolded.npz. The score is the mean IoU over 11 classes, ignored
pixels left out, pooled over the 101 images; the best epoch is chosen on the same images.
"""

from __future__ import annotations

from comparing import compare, parser_of, started, write_comparison

_WEIGHTS = "weights/mobilenet_v2_imagenet_bnfolded.npz"


def main() -> None:
    """Train, score and keep the figures."""
    arguments = started(parser_of(__doc__ or "", minutes=45))
    weights = str(arguments.data / _WEIGHTS)
    trained = compare(arguments.data / "camvid", ["street-mobilenet"], arguments, encoder_weights=weights)
    write_comparison(arguments, {"camvid": trained})


if __name__ == "__main__":
    main()
