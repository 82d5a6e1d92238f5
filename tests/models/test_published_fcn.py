import pytest

torch = pytest.importorskip("torch")

from overland.errors import UsageError
from overland.models import build_model, model_settings, size_divisor_of


def test_logits_of_the_size_of_the_chip_from_any_number_of_bands():
    network = build_model(
        model_settings({"architecture": "FCN", "encoder": "resnet50"}, in_channels=4, classes=2)
    ).eval()
    assert size_divisor_of(network) == 8
    with torch.no_grad():
        assert network(torch.zeros(1, 4, 24, 40)).shape == (1, 2, 24, 40)


def test_an_encoder_that_it_does_not_have():
    with pytest.raises(UsageError, match="FCN has the encoders resnet50, resnet101; got 'resnet5'; did you mean"):
        build_model(model_settings({"architecture": "FCN", "encoder": "resnet5"}, in_channels=3, classes=2))
