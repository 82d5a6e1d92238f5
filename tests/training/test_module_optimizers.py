import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from overland.training.module import build_optimizer, build_scheduler, schedule_factor
from overland.training.settings import TrainSettings


def parameter():
    return nn.Parameter(torch.tensor([1.0]))


def step_of(name, **settings):
    """Where one step takes a parameter of 1 whose gradient is 2."""
    value = parameter()
    config = TrainSettings(optimizer=name, lr=0.1, weight_decay=0.0, **settings)
    optimizer = build_optimizer(config, [value])
    value.grad = torch.tensor([2.0])
    optimizer.step()
    return value.item(), optimizer, value


def test_plain_steps_are_those_of_the_formulas():
    assert step_of("sgd", momentum=0.0)[0] == pytest.approx(1 - 0.1 * 2)
    # Nesterov looks ahead: g + momentum * v, with v = g in the first step.
    assert step_of("nag", momentum=0.5)[0] == pytest.approx(1 - 0.1 * (2 + 0.5 * 2))
    assert step_of("adam")[0] == pytest.approx(0.9, abs=1e-6)
    assert step_of("adagrad")[0] == pytest.approx(0.9, abs=1e-6)
    # The first mean square is 0.01 * g^2, so that the step is lr / 0.1.
    assert step_of("rmsprop", momentum=0.0)[0] == pytest.approx(0.0, abs=1e-5)


def test_momentum_carries_on():
    value, optimizer, weight = step_of("sgd", momentum=0.5)
    weight.grad = torch.tensor([0.0])
    optimizer.step()
    assert weight.item() == pytest.approx(value - 0.1 * 0.5 * 2)


def test_adamw_shrinks_weights_apart_from_the_gradient():
    value = parameter()
    optimizer = build_optimizer(TrainSettings(optimizer="adamw", lr=0.1, weight_decay=0.5), [value])
    value.grad = torch.tensor([0.0])
    optimizer.step()
    assert value.item() == pytest.approx(1 - 0.1 * 0.5)


def test_cosine_rises_in_a_line_and_falls_to_zero():
    config = TrainSettings(schedule="cosine", warmup=0.1)
    assert schedule_factor(config, 0.05) == pytest.approx(0.5)
    assert schedule_factor(config, 0.1) == 1
    assert schedule_factor(config, 0.55) == pytest.approx(0.5)
    assert schedule_factor(config, 1.0) == 0
    assert 0 < schedule_factor(config, 0.0) < 0.01


def test_poly_constant_and_onecycle():
    assert schedule_factor(TrainSettings(schedule="poly", warmup=0.0), 0.5) == pytest.approx(0.5**0.9)
    assert schedule_factor(TrainSettings(schedule="poly", warmup=0.0), 1.0) == 0
    assert schedule_factor(TrainSettings(schedule="constant", warmup=0.0), 0.7) == 1
    onecycle = TrainSettings(schedule="onecycle")
    assert schedule_factor(onecycle, 0.0) == pytest.approx(1 / 25)
    assert schedule_factor(onecycle, 0.3) == pytest.approx(1)
    assert schedule_factor(onecycle, 1.0) == pytest.approx(0)


def rates(config, epochs, losses=None):
    """Learning rate after each of some epochs of one step."""
    optimizer = build_optimizer(config, [parameter()])
    done = [0]
    scheduler = build_scheduler(config, optimizer, lambda: done[0] / epochs)["scheduler"]
    found = []
    for epoch in range(epochs):
        optimizer.step()
        done[0] = epoch + 1
        scheduler.step() if losses is None else scheduler.step(losses[epoch])
        found.append(optimizer.param_groups[0]["lr"])
    return found


def test_the_schedule_step_divides_after_its_epochs():
    config = TrainSettings(schedule="step", lr=1.0, lr_epochs=(2, 3), lr_factor=0.5)
    assert rates(config, 4) == [1.0, 0.5, 0.25, 0.25]


def test_plateau_divides_when_the_loss_stays():
    config = TrainSettings(schedule="plateau", lr=1.0, lr_patience=1, lr_factor=0.1)
    assert rates(config, 4, losses=[1.0, 1.0, 1.0, 0.5]) == pytest.approx([1.0, 1.0, 0.1, 0.1])


def test_the_schedule_follows_the_position_it_is_told():
    # Half of the minutes are used up after the first of many steps: the rate is that of the middle.
    config = TrainSettings(schedule="cosine", warmup=0.0, lr=1.0)
    optimizer = build_optimizer(config, [parameter()])
    position = [0.0]
    scheduler = build_scheduler(config, optimizer, lambda: position[0])["scheduler"]
    optimizer.step()
    position[0] = 0.5
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.5)
