import pytest

torch = pytest.importorskip("torch")
from torch import nn

from overland.models.build import parameter_counts


def test_weights_and_statistics_are_counted_apart():
    network = nn.Sequential(nn.Conv2d(3, 5, 2), nn.BatchNorm2d(5), nn.GroupNorm(1, 5))
    assert parameter_counts(network) == ((3 * 5 * 4 + 5) + 10 + 10, 10)


def test_frozen_weights_are_not_trainable():
    network = nn.Linear(3, 2)
    network.weight.requires_grad_(False)
    assert parameter_counts(network) == (2, 0)
