import pytest

torch = pytest.importorskip("torch")

from overland.errors import DataError, UsageError
from overland.models import build_model, graph_from_model, size_divisor_of
from overland.models.keras.network import KerasNetwork
from overland.models.keras.sizes import plan_sizes


def conv(name, source, **options):
    settings = {"in_channels": 2, "out_channels": 2, "kernel_size": [3, 3], "strides": [1, 1], "dilation_rate": [1, 1]}
    settings |= {"padding": "same", "groups": 1, "use_bias": True}
    return {"name": name, "kind": "Conv2D", "inputs": [source], **settings, **options}


def pool(name, source, size=2):
    return {
        "name": name,
        "kind": "MaxPooling2D",
        "inputs": [source],
        "kernel_size": [size] * 2,
        "strides": [size] * 2,
        "padding": "valid",
    }


def up(name, source, size=2):
    return {"name": name, "kind": "UpSampling2D", "inputs": [source], "size": [size] * 2, "interpolation": "nearest"}


def test_the_divisor_is_the_product_of_the_strides():
    layers = [conv("a", "image", strides=[2, 2]), pool("b", "a", 3), up("c", "b", 6)]
    assert plan_sizes(layers).divisor == 6


def test_without_padding_the_divisor_grows_until_every_layer_has_a_pixel():
    # (n / 2 - 2 - 10) pixels are left in the middle: 13 of 26, and the sides are even.
    middle = [conv("b", "a", padding="valid"), conv("c", "b", padding="valid", kernel_size=[11, 11])]
    back = {"name": "d", "kind": "Pad2D", "inputs": ["c"], "pixels": [[6, 6], [6, 6]]}
    layers = [pool("a", "image"), *middle, back, up("e", "d")]
    assert plan_sizes(layers).divisor == 26
    assert KerasNetwork(2, 2, layers)(torch.zeros(1, 2, 26, 52)).shape == (1, 2, 26, 52)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([pool("a", "image")], "1/2 of the image's side"),
        ([conv("a", "image", padding="valid")], "the image's side - 2 pixels"),
        ([up("a", "image")], "2 of the image's side"),
        ([{"name": "a", "kind": "GlobalAveragePooling2D", "inputs": ["image"]}], "one answer for a whole image"),
        (
            [pool("a", "image"), {"name": "b", "kind": "Add", "inputs": ["a", "image"]}],
            "'b' joins results of different",
        ),
        ([pool("a", "image", 5000), up("b", "a", 5000)], "multiples of 5000 only"),
    ],
)
def test_a_network_that_makes_no_map_is_refused(layers, message):
    with pytest.raises(DataError, match=message):
        KerasNetwork(2, 2, layers)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([], "at least one layer"),
        ([conv("a", "b")], "takes .'b'., which are not before it"),
        ([conv("a", "image"), conv("a", "a")], "cannot be called 'a'"),
        ([conv("image", "image")], "cannot be called 'image'"),
        ([conv("forward", "image")], "cannot be called 'forward'"),
        ([{**conv("a", "image"), "kind": "Conv9D"}], "no layer 'Conv9D'"),
        ([{"name": "a", "kind": "Activation", "inputs": ["image"], "function": "eval"}], "no activation 'eval'"),
    ],
)
def test_a_list_that_makes_no_network_is_refused(layers, message):
    with pytest.raises(UsageError, match=message):
        KerasNetwork(2, 2, layers)


def test_a_layer_that_is_used_twice_has_its_weights_once():
    again = {"name": "again", "kind": "Shared", "inputs": ["a"], "layer": "a"}
    network = KerasNetwork(2, 2, [conv("a", "image"), again])
    assert set(network.state_dict()) == {"a.weight", "a.bias"}
    image = torch.randn(1, 2, 8, 8)
    assert torch.equal(network(image), network.a(network.a(image)))


def test_it_is_built_and_trained_as_any_other_network():
    settings = {
        "architecture": "KerasNetwork",
        "in_channels": 2,
        "classes": 2,
        "layers": [pool("p", "image"), conv("c", "p"), up("u", "c")],
    }
    network = build_model(settings)
    assert size_divisor_of(network) == 2
    network(torch.randn(1, 2, 4, 6)).sum().backward()
    assert network.c.weight.grad is not None
    assert graph_from_model(network, in_channels=2, size_divisor=2).startswith(b"\x08")


def test_results_are_let_go_after_their_last_use():
    join = {"name": "sum", "kind": "Add", "inputs": ["a", "image"]}
    network = KerasNetwork(2, 2, [conv("a", "image"), join, conv("b", "sum")])
    assert network._last_uses == [[], ["a", "image"], ["sum"]]
