import logging

import numpy as np
import pytest

from models_made import mean_bundle, threshold_bundle
from overland.inference import model_classifier, open_engine
from overland.inference.measure import context_count, context_side, measure_halo


def noisy_chips(bundle, count=4, side=None, low=0):
    rng = np.random.default_rng(0)
    side = side or context_side(bundle)
    shape = (bundle.in_channels, side, side)
    return [(rng.integers(low, 256, shape, dtype=np.uint8), np.ones((side, side), bool)) for _ in range(count)]


def halo_of(bundle, chips=None):
    scorer = model_classifier(bundle, open_engine(bundle, "onnx", precision="fp32"))
    return measure_halo(bundle, scorer, chips or noisy_chips(bundle))


def test_a_network_that_sees_single_pixels_has_no_halo(tmp_path):
    assert halo_of(threshold_bundle(tmp_path / "m")) == 0


@pytest.mark.parametrize("radius", [3, 8, 16])
def test_the_halo_is_the_radius_of_a_mean_up_to_the_next_multiple_of_eight(tmp_path, radius):
    bundle = mean_bundle(tmp_path / "m", side=2 * radius + 1, limit=127.5, gain=1.0, chip_size=128, size_divisor=1)
    assert halo_of(bundle) == -(-radius // 8) * 8


@pytest.mark.parametrize("layers", [1, 8])
def test_the_halo_of_stacked_convolutions_is_at_most_their_radius(tmp_path, layers):
    torch = pytest.importorskip("torch")
    from overland.bundle import save_bundle
    from overland.models.build import graph_from_model

    torch.manual_seed(0)
    stack = [torch.nn.Conv2d(4, 4, 3, padding=1) for _ in range(layers - 1)]
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 1), *stack, torch.nn.Conv2d(4, 1, 3, padding=1))
    graph = graph_from_model(network, in_channels=1, size_divisor=1)
    bundle = threshold_bundle(tmp_path / "m", chip_size=64, size_divisor=1, std=(50.0,))
    bundle = save_bundle(bundle, tmp_path / "m", weights={}, graph=graph, card="")
    assert halo_of(bundle) <= 8


def test_halos_keep_the_strides_of_a_network_in_phase(tmp_path):
    bundle = mean_bundle(tmp_path / "m", side=7, limit=127.5, gain=1.0, chip_size=128, size_divisor=32)
    assert halo_of(bundle) == 16


class GlobalMean:
    """Looks at all of a chip."""

    num_scores, streams = 1, 1

    def score(self, pixels, valid):
        scores = pixels / np.float32(255) + pixels[:, : len(valid) // 2].mean() / 255 - pixels.mean() / 255
        return scores.astype(np.float32)


def test_a_network_that_never_settles_gets_the_cap_and_a_warning(tmp_path, caplog):
    bundle = threshold_bundle(tmp_path / "m", chip_size=64)
    side = context_side(bundle)
    ramp = np.broadcast_to(np.linspace(0, 255, side)[:, None] ** 2 / 255, (1, side, side)).astype(np.uint8)
    with caplog.at_level(logging.WARNING, "overland"):
        assert measure_halo(bundle, GlobalMean(), [(ramp, np.ones((side, side), bool))]) == 24
    assert "looks further than can be measured" in caplog.text


def test_pixels_without_data_are_not_counted(tmp_path):
    bundle = mean_bundle(tmp_path / "m", side=17, limit=127.5, gain=1.0, chip_size=64, size_divisor=1)
    chips = noisy_chips(bundle, count=1)
    for _, valid in chips:
        # All that lies within 8 pixels of the smaller chip's border, where the scores differ.
        valid[:40] = valid[88:] = valid[:, :40] = valid[:, 88:] = False
    filled = [(np.where(valid, pixels, 127).astype(np.uint8), valid) for pixels, valid in chips]
    assert halo_of(bundle, filled) == 0


def test_without_data_the_halo_stays_as_it_was(tmp_path, caplog):
    bundle = mean_bundle(tmp_path / "m", side=17, halo=5)
    with caplog.at_level(logging.WARNING, "overland"):
        assert halo_of(bundle, [(pixels, np.zeros_like(valid)) for pixels, valid in noisy_chips(bundle, 1)]) == 5
    assert "no window held data" in caplog.text


@pytest.mark.parametrize(
    ("chip_size", "divisor", "side", "count"),
    [(64, 8, 128, 24), (256, 32, 512, 24), (100, 32, 256, 24), (4096, 32, 1024, 7)],
)
def test_chips_are_twice_those_in_training_and_a_few_megapixels(tmp_path, chip_size, divisor, side, count):
    bundle = threshold_bundle(tmp_path / "m", chip_size=chip_size, size_divisor=divisor)
    assert (context_side(bundle), context_count(bundle)) == (side, count)
