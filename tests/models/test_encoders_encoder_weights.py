import os
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from safetensors.torch import save_file

from overland.errors import DataError, UsageError
from overland.models import build_model, calibrate_folded_norms, load_encoder_weights, model_settings


def _network(encoder="resnet18", bands=3, architecture="FPN"):
    return build_model(model_settings({"architecture": architecture, "encoder": encoder}, in_channels=bands, classes=2))


def _weights(network, prefix=""):
    torch.manual_seed(1)
    state = {name: value for name, value in network.encoder.state_dict().items() if "num_batches" not in name}
    return {prefix + name: torch.rand_like(value) for name, value in state.items()}


def _loaded(network, prefix=""):
    return {prefix + name: value for name, value in network.encoder.state_dict().items() if "num_batches" not in name}


@pytest.fixture(scope="module")
def network():
    return _network()


@pytest.mark.parametrize("prefix", ["", "encoder.", "module.", "model.", "backbone."])
def test_files_of_every_layout_and_kind(network, tmp_path, prefix):
    weights = _weights(network, prefix)
    classifier = {f"{prefix}fc.weight": torch.zeros(10, 512), "decoder.x": torch.zeros(1)}
    save_file(weights | classifier, tmp_path / "a.safetensors")
    torch.save({"state_dict": weights | classifier, "epoch": 3}, tmp_path / "a.pth")
    np.savez(tmp_path / "a.npz", **{name: value.numpy() for name, value in weights.items()})
    for kind in ("safetensors", "pth", "npz"):
        for parameter in network.encoder.parameters():
            parameter.data.zero_()
        assert load_encoder_weights(network, tmp_path / f"a.{kind}")
        found = _loaded(network, prefix)
        assert all(torch.equal(found[name], value) for name, value in weights.items())


def test_timm_names_reach_a_timm_encoder(tmp_path):
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    donor = timm.create_model("resnet18")
    save_file(donor.state_dict(), tmp_path / "timm.safetensors")
    for encoder in ("tu-resnet18", "resnet18"):
        network = _network(encoder, architecture="Unet")
        load_encoder_weights(network, tmp_path / "timm.safetensors")
        first = next(module for module in network.encoder.modules() if isinstance(module, torch.nn.Conv2d))
        assert torch.equal(first.weight, donor.conv1.weight)


@pytest.mark.parametrize("bands", [1, 4, 6])
def test_the_first_convolution_is_repeated_over_other_bands_and_scaled(tmp_path, bands):
    rgb, other = _network(), _network(bands=bands)
    save_file(_weights(rgb), tmp_path / "rgb.safetensors")
    load_encoder_weights(rgb, tmp_path / "rgb.safetensors")
    notes = load_encoder_weights(other, tmp_path / "rgb.safetensors")
    assert f"from 3 to {bands} bands" in notes[-1]
    red, green, blue = rgb.encoder.conv1.weight.detach().unbind(1)
    expected = {
        1: [red + green + blue],
        4: [red * 0.75, green * 0.75, blue * 0.75, red * 0.75],
        6: [band / 2 for band in (red, green, blue) * 2],
    }
    torch.testing.assert_close(other.encoder.conv1.weight.detach(), torch.stack(expected[bands], 1))


def test_weights_of_another_encoder_are_one_error_that_counts(network, tmp_path):
    before = {name: value.clone() for name, value in network.encoder.state_dict().items()}
    weights = _weights(network)
    save_file(dict(list(weights.items())[:7]), tmp_path / "part.safetensors")
    with pytest.raises(DataError, match=f"of the {len(weights)} arrays that it needs, 7 are there by name and 7 by"):
        load_encoder_weights(network, tmp_path / "part.safetensors")
    weights["layer1.0.bn1.weight"] = torch.zeros(3)
    save_file(weights, tmp_path / "shape.safetensors")
    with pytest.raises(DataError, match=r"layer1.0.bn1.weight should be \(64,\), found \(3,\)"):
        load_encoder_weights(network, tmp_path / "shape.safetensors")
    assert all(torch.equal(value, before[name]) for name, value in network.encoder.state_dict().items())


def test_files_that_are_missing_damaged_or_dangerous(network, tmp_path):
    with pytest.raises(UsageError, match=r"no\.pth do not exist"):
        load_encoder_weights(network, tmp_path / "no.pth")
    with pytest.raises(UsageError, match="no file of weights that Overland reads"):
        load_encoder_weights(network, tmp_path / "a.h5")
    (tmp_path / "bad.safetensors").write_bytes(b"nothing")
    np.savez(tmp_path / "pickle.npz", a=np.array([{}], dtype=object))
    torch.save({"a": Path("x")}, tmp_path / "pickle.pth")
    for name in ("bad.safetensors", "pickle.npz", "pickle.pth"):
        with pytest.raises(DataError, match="cannot be read"):
            load_encoder_weights(network, tmp_path / name)


def test_a_network_without_an_encoder(tmp_path):
    plain = build_model(model_settings({"width": 4, "depth": 1}, in_channels=3, classes=1))
    with pytest.raises(UsageError, match="PlainUnet has no encoder"):
        load_encoder_weights(plain, tmp_path / "any.pth")


def test_a_file_in_the_settings_is_loaded_for_training_alone(network, tmp_path):
    weights = _weights(network)
    save_file(weights, tmp_path / "w.safetensors")
    settings = model_settings(
        {"architecture": "FPN", "encoder": "resnet18", "encoder_weights": str(tmp_path / "w.safetensors")},
        in_channels=3,
        classes=2,
    )
    assert torch.equal(build_model(settings, pretrained=True).encoder.conv1.weight, weights["conv1.weight"])
    assert not torch.equal(build_model(settings).encoder.conv1.weight, weights["conv1.weight"])


@pytest.mark.real
def test_the_folded_mobilenet_gives_its_reference_activations():
    if "OVERLAND_DATA" not in os.environ:
        pytest.skip("OVERLAND_DATA names no folder")
    folder = Path(os.environ["OVERLAND_DATA"]) / "weights"
    network = _network("mobilenet_v2").eval()
    notes = load_encoder_weights(network, folder / "mobilenet_v2_imagenet_bnfolded.npz")
    assert "52 convolutions came with batch normalisation folded in" in notes[-1]
    with np.load(folder / "reference_activations.npz", allow_pickle=False) as arrays:
        image, *expected = (
            torch.from_numpy(arrays[name]) for name in ("input", "onnx7_group32_s8", "onnx7_group96_s16")
        )
    with torch.no_grad():
        for _ in range(2):
            features = network.encoder.features
            stride_8 = features[:7](image)
            for found, truth in zip((stride_8, features[7:14](stride_8)), expected, strict=True):
                torch.testing.assert_close(found, truth, atol=1e-4, rtol=0)
            # And after calibration still.
            calibrate_folded_norms(network, image[:, :, :128, :128].repeat(2, 1, 1, 1))
