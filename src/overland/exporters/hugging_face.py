"""A bundle in the layout of the Hugging Face Hub, which stays a bundle.

A network of segmentation_models_pytorch opens with `smp.from_pretrained(folder)` and, as any other, with
`overland predict folder`: `config.json` names the architecture under the key that smp reads, README.md starts with
the metadata that the Hub shows.
"""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path

import yaml

from overland.bundle import ModelBundle, load_weights, save_bundle
from overland.errors import import_extra

__all__ = ["hub_card", "save_for_hub", "smp_class_of"]


def save_for_hub(bundle: ModelBundle, folder: Path) -> ModelBundle:
    """Write a bundle as a folder to upload to the Hub; one that is there already is replaced.

    Args:
        bundle: The bundle.
        folder: The folder to write.

    Returns:
        The bundle at its new place.

    Raises:
        MissingExtraError: The extra train is not installed.
        UsageError: The bundle is not on disk.
    """
    smp_class = smp_class_of(bundle)
    config = dict(bundle.model)
    if smp_class is not None:
        del config["architecture"]
        # The weights are in the folder; with a name here smp would fetch the encoder's first.
        config = {"_model_class": smp_class, **config, "encoder_weights": None}
    return save_bundle(
        dataclasses.replace(bundle, model=config),
        folder,
        weights=load_weights(bundle),
        graph=bundle.graph_path.read_bytes(),
        int8_graph=None if bundle.int8_path is None else bundle.int8_path.read_bytes(),
        card=hub_card(bundle, smp_class),
    )


def smp_class_of(bundle: ModelBundle) -> str | None:
    """Find the class of segmentation_models_pytorch that builds the network.

    Args:
        bundle: The bundle.

    Returns:
        The name of the class; None where the network is another's.

    Raises:
        MissingExtraError: The extra train is not installed.
    """
    # overland.models first: it makes torchvision importable next to a PyTorch without CUDA.
    importlib.import_module("overland.models")
    smp = import_extra("segmentation_models_pytorch", "train", "The Hugging Face layout")
    known = smp.MODEL_ARCHITECTURES_MAPPING
    found = known.get(str(bundle.model.get("architecture")).lower())
    return None if found is None else str(found.__name__)


def hub_card(bundle: ModelBundle, smp_class: str | None) -> str:
    """Return the model card with the Hub's metadata on top.

    Args:
        bundle: The bundle, whose README is the card.
        smp_class: The class that `smp_class_of` finds.
    """
    card = (bundle.graph_path.parent / "README.md").read_text(encoding="utf-8")
    body = card.split("---\n", 2)[2].lstrip("\n") if card.startswith("---\n") else card
    metadata = {
        "library_name": "overland" if smp_class is None else "segmentation-models-pytorch",
        "pipeline_tag": "image-segmentation",
        "tags": ["semantic-segmentation", "remote-sensing", "geospatial", "onnx", "overland"],
    }
    header = yaml.safe_dump(metadata, sort_keys=False)
    return f"---\n{header}---\n\n{body}"
