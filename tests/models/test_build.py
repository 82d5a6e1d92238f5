import pytest

torch = pytest.importorskip("torch")

from overland.errors import UsageError
from overland.models import build_model, model_settings, size_divisor_of


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"architecture": "PlainUnet", "width": 8, "depth": 2, "norm": "group", "activation": "elu", "dropout": 0.1},
        {"architecture": "PlainUnet", "width": 8, "depth": 3, "norm": "none", "stem_stride": 2},
        {"architecture": "FPN", "encoder": "resnet18"},
    ],
)
def test_logits_have_the_size_of_the_chip(settings):
    complete = model_settings(
        settings | {"encoder_weights": None} if "encoder" in settings else settings, in_channels=4, classes=3
    )
    network = build_model(complete).eval()
    side = 2 * size_divisor_of(network)
    with torch.no_grad():
        assert network(torch.zeros(1, 4, side, side + size_divisor_of(network))).shape == (
            1,
            3,
            side,
            side + size_divisor_of(network),
        )


def test_settings_have_the_keys_of_smp():
    assert model_settings({"architecture": "Unet", "encoder": "resnet18"}, in_channels=3, classes=1) == {
        "architecture": "Unet",
        "encoder_name": "resnet18",
        "in_channels": 3,
        "classes": 1,
    }


def test_published_unet_parameters():
    # systems.md, S0: widths 32 to 512 have 7,765,985 trainable parameters with biases; our convolutions carry none
    # beside batch normalisation, which has one of its own: 2,944 fewer.
    network = build_model(model_settings({"width": 32, "depth": 4}, in_channels=3, classes=1))
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == 7_765_985 - 2_944


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"architecture": "Unett"}, "did you mean Unet?"),
        ({"architecture": "PlainUnet", "widht": 8}, "did you mean width?"),
        ({"architecture": "PlainUnet", "norm": "layer"}, "norm is batch, group or none"),
        ({"architecture": "PlainUnet", "activation": "tanh"}, "activation is one of"),
        ({"architecture": "PlainUnet", "stem_stride": 3}, "stem_stride is 1 or 2"),
        ({"architecture": "Unet", "encoder": "resnet1"}, "cannot be built"),
    ],
)
def test_a_wrong_setting_is_one_clear_error(settings, message):
    with pytest.raises(UsageError, match=message):
        build_model(model_settings(settings, in_channels=3, classes=1))
