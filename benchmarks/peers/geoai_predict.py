"""geoai's own prediction of large rasters, with its defaults. Runs where geoai-py is.

    python geoai_predict.py MODEL SCENE OUTPUT FUNCTION

FUNCTION is semantic_inference_on_geotiff, behind `geoai.semantic_segmentation` (windows of 512 pixels that overlap by
256, in batches of 4), or predict_geotiff, the newer one (256, 64, 4), whose scaling and choice of classes are given.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from network import measured, network_of_bundle

import geoai.inference  # isort: skip - torchvision is importable only now
import geoai.train  # isort: skip


def main() -> None:
    """Predict one scene and print what that took."""
    model, scene, output, function = sys.argv[1:]
    network, classes = network_of_bundle(Path(model))

    def predict() -> None:
        if function == "semantic_inference_on_geotiff":
            geoai.train.semantic_inference_on_geotiff(network, scene, output, num_classes=classes, quiet=True)
            return
        geoai.inference.predict_geotiff(
            network,
            scene,
            output,
            num_classes=classes,
            output_dtype="uint8",
            output_nodata=255,
            preprocess_fn=lambda tile: tile.astype(np.float32) / 255,
            postprocess_fn=lambda scores: scores.argmax(axis=0, keepdims=True).astype(np.uint8),
            verbose=False,
        )

    measured(predict, version=f"geoai-py {version('geoai-py')}")


if __name__ == "__main__":
    main()
