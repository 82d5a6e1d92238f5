from __future__ import annotations

import json

import numpy as np
import pytest
import yaml

from models_made import threshold_bundle
from overland.bundle import ModelBundle, load_bundle, save_bundle
from overland.exporters.hugging_face import hub_card, save_for_hub, smp_class_of
from overland.inference import open_engine
from overland.legend import legend_from_names

torch = pytest.importorskip("torch")

from overland.models import build_model, graph_from_model

CHIPS = np.random.default_rng(0).normal(size=(1, 3, 64, 64)).astype(np.float32)


MODEL = {
    "architecture": "unet",  # as a recipe may spell it
    "encoder_name": "resnet18",
    "encoder_depth": 3,
    "decoder_channels": [16, 8, 8],
    "in_channels": 3,
    "classes": 2,
    "encoder_weights": "imagenet",
}


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build_model(MODEL).eval()


@pytest.fixture(scope="module")
def smp_bundle(network, tmp_path_factory):
    bundle = ModelBundle(
        legend=legend_from_names(["field", "water"]),
        model=MODEL,
        bands=(1, 2, 3),
        dtype="uint8",
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
        chip_size=64,
        size_divisor=32,
        halo=8,
        activation="softmax",
    )
    return save_bundle(
        bundle,
        tmp_path_factory.mktemp("hub") / "model",
        weights={name: value.numpy() for name, value in network.state_dict().items()},
        graph=graph_from_model(network, in_channels=3, size_divisor=32),
        card="# Fields\n\nRead me.\n",
    )


def test_smp_opens_the_folder_and_gives_the_same_logits(network, smp_bundle, tmp_path):
    import segmentation_models_pytorch as smp

    save_for_hub(smp_bundle, tmp_path / "hub")
    opened = smp.from_pretrained(str(tmp_path / "hub")).eval()
    assert type(opened).__name__ == "Unet"
    with torch.inference_mode():
        logits, expected = opened(torch.from_numpy(CHIPS)), network(torch.from_numpy(CHIPS))
    np.testing.assert_array_equal(logits.numpy(), expected.numpy())


@pytest.mark.parametrize("engine", ["onnx", "torch"])
def test_the_folder_stays_a_bundle(smp_bundle, tmp_path, engine):
    saved = save_for_hub(smp_bundle, tmp_path / "hub")
    assert saved == load_bundle(tmp_path / "hub")
    assert saved.model["architecture"] == "Unet"
    found, expected = (open_engine(bundle, engine).run(CHIPS) for bundle in (saved, smp_bundle))
    np.testing.assert_array_equal(found, expected)


def test_a_bundle_of_the_hub_is_saved_for_it_again(smp_bundle, tmp_path):
    once = save_for_hub(smp_bundle, tmp_path / "once")
    twice = save_for_hub(once, tmp_path / "twice")
    for name in ("config.json", "README.md", "overland.json"):
        assert (tmp_path / "twice" / name).read_text() == (tmp_path / "once" / name).read_text()
    assert smp_class_of(twice) == "Unet"


def test_the_card_starts_with_the_hubs_metadata(smp_bundle):
    _, header, body = hub_card(smp_bundle, "Unet").split("---\n")
    metadata = yaml.safe_load(header)
    assert metadata["library_name"] == "segmentation-models-pytorch"
    assert metadata["pipeline_tag"] == "image-segmentation"
    assert body == "\n# Fields\n\nRead me.\n"


def test_another_network_keeps_its_configuration(tmp_path):
    bundle = threshold_bundle(tmp_path / "model")
    saved = save_for_hub(bundle, tmp_path / "hub")
    assert json.loads((tmp_path / "hub" / "config.json").read_text()) == dict(bundle.model)
    assert saved.model == bundle.model
    assert "library_name: overland" in (tmp_path / "hub" / "README.md").read_text()
