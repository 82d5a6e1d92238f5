import pytest

torch = pytest.importorskip("torch")

from overland.errors import UsageError
from overland.models.unet import PlainUnet


def test_names_of_weights_stay_as_saved_bundles_have_them():
    names = set(PlainUnet(3, 1, width=8, depth=1).state_dict())
    expected = {
        f"{part}.{layer}.{kind}"
        for part in ("stem", "down.0", "merge.0")
        for layers, kinds in (((0, 3), ["weight"]), ((1, 4), ["weight", "bias", "running_mean", "running_var"]))
        for layer in layers
        for kind in (*kinds, *(["num_batches_tracked"] if len(kinds) > 1 else []))
    }
    assert names == expected | {"up.0.weight", "up.0.bias", "head.weight", "head.bias"}
    assert "head.0.weight" in PlainUnet(3, 1, width=8, depth=1, stem_stride=2).state_dict()


@pytest.mark.parametrize(
    "knobs",
    [
        {"stem_stride": 2},
        {"stem_stride": 4, "stem_up": "bilinear"},
        {"up": "resize", "concat": "skip_up", "norm": "none", "head_channels": [5], "input_stage": "grey_l2"},
        {"dropout": [0.1, 0.2, 0.3, 0.2, 0.1], "dropout_at": "end", "norm_order": "after", "bias": True},
    ],
)
def test_logits_have_the_size_of_the_chip(knobs):
    network = PlainUnet(3, 4, width=4, depth=2, **knobs)
    side = 2 * network.size_divisor
    assert network(torch.rand(2, 3, side, 2 * side)).shape == (2, 4, side, 2 * side)


def test_each_level_has_its_own_dropout():
    network = PlainUnet(3, 1, width=4, depth=2, dropout=[0.1, 0.2, 0.3, 0.4, 0.5])
    rates = [layer.p for layer in network.modules() if isinstance(layer, torch.nn.Dropout)]
    assert rates == [0.1, 0.2, 0.3, 0.4, 0.5]


def test_concat_says_what_comes_first():
    torch.manual_seed(0)
    up_first = PlainUnet(3, 1, width=4, depth=1, norm="none").eval()
    skip_first = PlainUnet(3, 1, width=4, depth=1, norm="none", concat="skip_up").eval()
    weights = up_first.state_dict()
    weights["merge.0.0.weight"] = weights["merge.0.0.weight"].roll(4, dims=1)
    skip_first.load_state_dict(weights)
    image = torch.randn(1, 3, 8, 8)
    torch.testing.assert_close(skip_first(image), up_first(image))


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"stem_stride": 3}, "stem_stride is 1, 2 or 4"),
        ({"concat": "skip"}, "concat is one of up_skip, skip_up"),
        ({"dropout": [0.1, 0.2]}, "one rate or 9 of them for depth 4"),
        ({"input_stage": "grey"}, "input_stage is grey_l2"),
        ({"in_channels": 4, "input_stage": "grey_l2"}, "the data have 4 bands"),
    ],
)
def test_a_knob_that_makes_no_sense_is_one_clear_error(knobs, message):
    with pytest.raises(UsageError, match=message):
        PlainUnet(**({"in_channels": 3, "classes": 1, "width": 4} | knobs))
