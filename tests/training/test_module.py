import pytest

pytest.importorskip("torch")

import numpy as np
import torch
from torch import nn

from overland.legend import legend_from_names
from overland.models import loss_from_terms
from overland.training.module import SegmentationModule
from overland.training.settings import TrainSettings

ROADS = legend_from_names(["background", "road"])


def module_of(settings, legend, outputs, *, class_weights=None, **options):
    weights = None if class_weights is None else torch.tensor(class_weights)
    loss = loss_from_terms(settings.loss, num_outputs=outputs, class_weights=weights)
    network = nn.Conv2d(1, outputs, 1)
    return SegmentationModule(network, legend, settings, loss=loss, outputs=outputs, position=lambda: 0.0, **options)


def test_the_loss_is_the_one_of_the_settings():
    module = module_of(TrainSettings(loss={"cross_entropy": 0.5}), ROADS, 1)
    nn.init.zeros_(module.network.weight)
    nn.init.zeros_(module.network.bias)
    module.log = lambda *arguments, **options: None
    target = torch.tensor([[[0, 1], [1, 255]]])
    loss = module.training_step((torch.ones(1, 1, 2, 2), target), 0)
    assert loss.item() == pytest.approx(0.5 * np.log(2))


def test_class_weights_reach_the_loss():
    weighted = module_of(TrainSettings(loss={"cross_entropy": 1}), ROADS, 2, class_weights=(0.0, 1.0))
    for parameter in weighted.network.parameters():
        nn.init.zeros_(parameter)
    nn.init.constant_(weighted.network.bias[:1], 5.0)
    weighted.log = lambda *arguments, **options: None
    target = torch.tensor([[[0, 0], [0, 1]]])
    loss = weighted.training_step((torch.ones(1, 1, 2, 2), target), 0)
    # Class 0 weighs nothing, so only the one pixel of road counts: -log softmax(5, 0)[1].
    assert loss.item() == pytest.approx(5 + np.log1p(np.exp(-5)), rel=1e-5)


def test_two_outputs_of_two_classes_are_scored_as_a_choice():
    module = module_of(TrainSettings(), ROADS, 2)
    nn.init.zeros_(module.network.weight)
    module.network.bias.data = torch.tensor([0.0, 1.0])
    logged = {}
    module.log = lambda *arguments, **options: None
    module.log_dict = lambda values, **options: logged.update(values)
    module.on_validation_epoch_start()
    module.validation_step((torch.ones(1, 1, 2, 2), torch.tensor([[[1, 1], [0, 255]]])), 0)
    module.on_validation_epoch_end()
    assert logged["val/iou"] == pytest.approx(2 / 3)
    assert logged["val/iou/road"] == pytest.approx(2 / 3)
