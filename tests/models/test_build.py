import pytest

torch = pytest.importorskip("torch")

from overland.errors import AccessError, UsageError
from overland.models import build_model, model_settings, size_divisor_of


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"architecture": "PlainUnet", "width": 8, "depth": 2, "norm": "group", "activation": "elu", "dropout": 0.1},
        {"architecture": "PlainUnet", "width": 8, "depth": 3, "norm": "none", "stem_stride": 2},
        {"architecture": "FPN", "encoder": "resnet18"},
        {"architecture": "PSPNet", "encoder": "resnet18"},
        {"architecture": "DeepLabV3Plus", "encoder": "mobilenet_v2"},
        {"architecture": "Segformer", "encoder": "mit_b0"},
        {"architecture": "Unet", "encoder": "tu-resnet18"},
    ],
)
def test_logits_have_the_size_of_the_chip(settings):
    complete = model_settings(
        settings | {"encoder_weights": None} if "encoder" in settings else settings, in_channels=4, classes=3
    )
    network = build_model(complete).eval()
    side = 3 * size_divisor_of(network)
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


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"architecture": "Unett"}, "did you mean Unet?"),
        ({"architecture": "PlainUnet", "widht": 8}, "did you mean width?"),
        ({"architecture": "PlainUnet", "norm": "layer"}, "norm is batch, group or none"),
        ({"architecture": "PlainUnet", "activation": "tanh"}, "activation is one of"),
        ({"architecture": "PlainUnet", "stem_stride": 3}, "stem_stride is 1, 2 or 4"),
        ({"architecture": "Unet", "encoder": "resnet1"}, "cannot be built"),
        ({"architecture": "Unet", "encoder": "tu-nonsense"}, "cannot be built"),
        ({"architecture": "FPN", "decoder_chanels": 8}, "FPN has no option 'decoder_chanels'"),
    ],
)
def test_a_wrong_setting_is_one_clear_error(settings, message):
    with pytest.raises(UsageError, match=message):
        build_model(model_settings(settings, in_channels=3, classes=1))


def test_a_plain_network_has_no_encoder_to_pretrain():
    settings = model_settings({"width": 4, "depth": 1, "encoder_weights": "imagenet"}, in_channels=3, classes=1)
    with pytest.raises(UsageError, match="has no encoder that can be pretrained"):
        build_model(settings, pretrained=True)
    build_model(settings)


@pytest.mark.parametrize("encoder", ["resnet18", "tu-resnet18"])
def test_weights_that_cannot_be_fetched_say_how_to_give_a_file(monkeypatch, encoder):
    def no_network(*arguments, **options):
        raise OSError("no route to host")

    monkeypatch.setattr("segmentation_models_pytorch.encoders.hf_hub_download", no_network)
    monkeypatch.setattr("timm.create_model", no_network)
    settings = model_settings(
        {"architecture": "FPN", "encoder": encoder, "encoder_weights": "imagenet"}, in_channels=3, classes=1
    )
    with pytest.raises(AccessError, match="--encoder-weights"):
        build_model(settings, pretrained=True)


def test_weights_called_none_are_none():
    def built(**weights):
        settings = model_settings({"architecture": "FPN", "encoder": "resnet18", **weights}, in_channels=3, classes=1)
        torch.manual_seed(3)
        return build_model(settings, pretrained=True).state_dict()

    drawn, named = built(), built(encoder_weights="none")
    assert all(torch.equal(value, named[name]) for name, value in drawn.items())
