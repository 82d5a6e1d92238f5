import dataclasses

import pytest

from models_made import threshold_bundle

torch = pytest.importorskip("torch")

from overland.bundle import save_bundle
from overland.errors import DataError
from overland.inference import open_engine
from overland.inference.engines.torch import available_devices
from overland.models import build_model, graph_from_model, model_settings


@pytest.fixture
def trained(tmp_path):
    torch.manual_seed(0)
    settings = model_settings({"architecture": "PlainUnet", "width": 4}, in_channels=3, classes=1)
    network = build_model(settings)
    bundle = dataclasses.replace(
        threshold_bundle(tmp_path / "made", bands=3),
        model=settings,
        mean=(120.0,) * 3,
        std=(60.0,) * 3,
        size_divisor=16,
    )
    weights = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    graph = graph_from_model(network, in_channels=3, size_divisor=16)
    return save_bundle(bundle, tmp_path / "trained", weights=weights, graph=graph, card="# Untrained\n")


def test_weights_of_another_network_are_refused(trained):
    wider = dataclasses.replace(trained, model={**trained.model, "width": 8})
    with pytest.raises(DataError, match=r"model\.safetensors is not of the network"):
        open_engine(wider, "torch")


def test_damaged_weights_are_refused(trained):
    trained.weights_path.write_bytes(b"no weights")
    with pytest.raises(DataError, match=r"model\.safetensors cannot be read"):
        open_engine(trained, "torch")


def test_there_is_always_a_device():
    assert available_devices()[-1] == "cpu"
