import logging

import numpy as np
import pytest

from models_made import mean_bundle, threshold_bundle
from overland.inference import model_classifier, open_engine
from overland.inference.measure import ContextProfile, halo_of_profile, measure_halo


def noisy_chips(bundle, side, count=2):
    rng = np.random.default_rng(0)
    shape = (bundle.in_channels, side, side)
    return [(rng.integers(0, 256, shape, dtype=np.uint8), np.ones((side, side), bool)) for _ in range(count)]


def halo_of(bundle, read_chips=None):
    classifier = model_classifier(bundle, open_engine(bundle, "onnx", precision="fp32"))
    return measure_halo(bundle, classifier, read_chips or (lambda side, count: noisy_chips(bundle, side)))


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

    num_outputs, workers = 1, 1

    def classify(self, pixels, valid):
        probabilities = pixels / np.float32(255) + pixels[:, : len(valid) // 2].mean() / 255 - pixels.mean() / 255
        return probabilities.astype(np.float32)


def test_a_network_that_never_settles_gets_a_narrow_halo_and_a_warning(tmp_path, caplog):
    bundle = threshold_bundle(tmp_path / "m", chip_size=64)

    def read_chips(side, count):
        ramp = np.broadcast_to(np.linspace(0, 255, side)[:, None] ** 2 / 255, (1, side, side)).astype(np.uint8)
        return [(ramp, np.ones((side, side), bool))]

    with caplog.at_level(logging.WARNING, "overland"):
        assert measure_halo(bundle, GlobalMean(), read_chips) <= 384
    assert "the network sees the whole window" in caplog.text


def test_the_halo_is_measured_on_windows_larger_than_the_chips_of_training(tmp_path):
    # A mean over 257 pixels: with chips of 64 pixels no halo over 24 could be seen.
    bundle = mean_bundle(tmp_path / "m", side=257, limit=127.5, gain=1.0, chip_size=64, size_divisor=1)

    class WideMean:
        num_outputs, workers = 1, 1

        def classify(self, pixels, valid):
            from scipy.ndimage import uniform_filter

            means = uniform_filter(pixels[0].astype(np.float32), 257, mode="constant")
            return (means[None] / np.float32(255)).astype(np.float32)

    found = measure_halo(bundle, WideMean(), lambda side, count: noisy_chips(bundle, side, 1))
    assert found >= 104


def test_of_halos_that_are_no_cure_the_narrowest_that_is_as_good_is_taken():
    profile = ContextProfile(512)
    profile._sums[0] = 1000
    profile._sums[1] = 10
    profile._sums[1, :40] = 100
    assert halo_of_profile(profile, 8) == (40, False)


def test_pixels_without_data_are_not_counted(tmp_path):
    bundle = mean_bundle(tmp_path / "m", side=17, limit=127.5, gain=1.0, chip_size=64, size_divisor=1)

    def read_chips(side, count):
        ((pixels, valid),) = noisy_chips(bundle, side, 1)
        # All that lies within 8 pixels of the smaller window's border, where the probabilities differ.
        margin = (side - 512) // 2
        valid[: margin + 8] = valid[side - margin - 8 :] = False
        valid[:, : margin + 8] = valid[:, side - margin - 8 :] = False
        return [(np.where(valid, pixels, 127).astype(np.uint8), valid)]

    assert halo_of(bundle, read_chips) == 0


def test_without_data_the_halo_stays_as_it_was(tmp_path, caplog):
    bundle = mean_bundle(tmp_path / "m", side=17, halo=5)
    with caplog.at_level(logging.WARNING, "overland"):
        found = halo_of(
            bundle,
            lambda side, count: [(pixels, np.zeros_like(valid)) for pixels, valid in noisy_chips(bundle, side, 1)],
        )
    assert found == 5
    assert "no window held data" in caplog.text
