import pytest

torch = pytest.importorskip("torch")
from torch import nn

from overland.errors import UsageError
from overland.models.unet import activation_layer, double_conv, head, initialize, upsampling


def _kinds(block):
    return [type(layer).__name__ for layer in block]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("relu", [0.0, 0.0, 0.1, 3.0]),
        ("leaky_relu", [-0.02, -0.001, 0.1, 3.0]),
        ("leaky_relu(0.2)", [-0.4, -0.02, 0.1, 3.0]),
        ("clipped_relu(0.2)", [0.0, 0.0, 0.1, 0.2]),
    ],
)
def test_activations_by_hand(name, expected):
    found = activation_layer(name)(torch.tensor([-2.0, -0.1, 0.1, 3.0]))
    torch.testing.assert_close(found, torch.tensor(expected))


def test_a_block_has_norm_dropout_and_bias_where_they_are_asked_for():
    usual = double_conv(3, 4, norm="batch", activation="relu", dropout=0.5)
    assert _kinds(usual) == ["Conv2d", "BatchNorm2d", "ReLU", "Dropout", "Conv2d", "BatchNorm2d", "ReLU"]
    assert usual[0].bias is None
    after = double_conv(3, 4, norm="batch", activation="elu", norm_order="after", bias=True, dropout=0.5)
    assert _kinds(after) == ["Conv2d", "ELU", "BatchNorm2d", "Dropout", "Conv2d", "ELU", "BatchNorm2d"]
    assert after[0].bias is not None
    end = double_conv(3, 4, norm="none", activation="relu", second_activation="silu", dropout=0.5, dropout_at="end")
    assert _kinds(end) == ["Conv2d", "ReLU", "Conv2d", "SiLU", "Dropout"]
    assert end[0].bias is not None


def test_resizing_up_pads_right_and_below_as_keras_does():
    up = upsampling(1, 1, "resize", "relu")
    nn.init.ones_(up[2].weight)
    nn.init.zeros_(up[2].bias)
    found = up(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]))
    expected = [[4.0, 6, 8, 4], [8, 10, 12, 6], [12, 14, 16, 8], [6, 7, 8, 4]]
    assert found[0, 0].tolist() == expected


def test_a_head_undoes_the_stride_of_the_stem():
    features = torch.zeros(1, 8, 4, 4)
    for stride, up in ((1, "shuffle"), (2, "shuffle"), (2, "bilinear"), (4, "bilinear")):
        network = head(8, 3, hidden=[], activation="relu", stem_stride=stride, stem_up=up)
        assert network(features).shape == (1, 3, 4 * stride, 4 * stride)
    hidden = head(8, 3, hidden=[5], activation="relu", stem_stride=1, stem_up="shuffle")
    assert sum(p.numel() for p in hidden.parameters()) == (8 * 5 + 5) + (5 * 3 + 3)


def test_keras_draws_from_a_uniform_distribution_of_known_width():
    network = nn.Sequential(nn.Conv2d(50, 70, 3))
    torch.manual_seed(0)
    initialize(network, "glorot_uniform")
    bound = (6 / (9 * 50 + 9 * 70)) ** 0.5
    assert 0.99 * bound < float(network[0].weight.detach().abs().max()) <= bound
    assert not network[0].bias.any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: activation_layer("leaky_relu(x)"), "activation is one of relu"),
        (lambda: double_conv(1, 1, norm="batch", activation="relu", norm_order="behind"), "norm_order is one of"),
        (lambda: double_conv(1, 1, norm="none", activation="relu", dropout_at="start"), "dropout_at is one of"),
        (lambda: upsampling(1, 1, "transposed", "relu"), "did you mean transpose"),
        (lambda: initialize(nn.Conv2d(1, 1, 1), "he"), "init is one of he_normal, glorot_uniform, default"),
    ],
)
def test_an_unknown_name_is_one_clear_error(call, message):
    with pytest.raises(UsageError, match=message):
        call()
