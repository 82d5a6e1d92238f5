import pytest

torch = pytest.importorskip("torch")
from torch import nn

from overland.errors import DataError
from overland.models.encoders import calibrate_folded_norms, fold_into_norms, numbered_as_named


def _encoder():
    return nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1))


def _folded(encoder):
    """What a published file holds: numbered convolutions whose biases stand for the normalisation."""
    return {
        "conv_7_weight": torch.randn(4, 3, 3, 3),
        "conv_7_bias": torch.randn(4),
        "conv_12_weight": torch.randn(2, 4, 1, 1),
        "conv_12_bias": torch.randn(2),
        "gemm_20_bias": torch.randn(10),
    }


def _loaded(encoder, file):
    weights, folded = fold_into_norms(numbered_as_named(file, encoder, "file"), encoder)
    encoder.load_state_dict(weights, strict=False)
    return folded


def test_numbers_follow_the_order_of_the_convolutions():
    file = _folded(_encoder())
    named = numbered_as_named(file, _encoder(), "file")
    assert set(named) == {"0.weight", "0.bias", "3.weight", "3.bias"}
    assert named["3.weight"] is file["conv_12_weight"]
    with pytest.raises(DataError, match="2 numbered convolutions, and this encoder has 1"):
        numbered_as_named(file, nn.Conv2d(3, 4, 3), "file")


def test_an_unfolded_network_gives_what_the_folded_one_gives():
    torch.manual_seed(0)
    encoder, image = _encoder().eval(), torch.randn(2, 3, 9, 9)
    file = _folded(encoder)
    assert _loaded(encoder, file) == 1
    first = torch.relu(nn.functional.conv2d(image, file["conv_7_weight"], file["conv_7_bias"]))
    expected = nn.functional.conv2d(first, file["conv_12_weight"], file["conv_12_bias"])
    torch.testing.assert_close(encoder(image), expected, atol=1e-5, rtol=0)


def test_calibration_keeps_the_output_and_makes_training_see_what_evaluation_sees():
    torch.manual_seed(0)
    encoder, chips = _encoder(), torch.randn(4, 3, 16, 16) * 3 + 1
    _loaded(encoder, _folded(encoder))
    expected = encoder.eval()(chips)
    wrong = (encoder.train()(chips) - expected).abs().max()
    encoder.eval()
    _loaded(encoder, _folded(encoder))
    expected = encoder(chips)
    assert calibrate_folded_norms(encoder, chips) == 1
    assert not encoder.training
    torch.testing.assert_close(encoder(chips), expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(encoder.train()(chips), expected, atol=1e-3, rtol=0)
    assert wrong > 0.1


def test_other_networks_are_left_alone():
    network = _encoder()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert calibrate_folded_norms(network, torch.randn(2, 3, 8, 8)) == 0
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
