"""Batch normalisation that was folded into its convolution, unfolded so that training goes on from it.

An ImageNet network published for inference often has convolutions with a bias and no normalisation left. The bias goes
into our normalisation layer, whose statistics are then those of no normalisation at all (mean 0, variance 1): right in
evaluation, wrong as soon as training puts the batch's statistics in. Calibration measures the true statistics.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn

from overland.errors import DataError

__all__ = ["calibrate_folded_norms", "fold_into_norms", "numbered_as_named"]

_NUMBERED = re.compile(r"conv_(\d+)_(weight|bias)")


def numbered_as_named(weights: dict[str, Tensor], encoder: nn.Module, where: str) -> dict[str, Tensor]:
    """Rename `conv_<number>_weight|bias`, as ONNX graphs number them, to the encoder's convolutions in their order.

    Weights with names of their own come back as they are. Raises `DataError` when the number of convolutions differs.
    """
    numbers = sorted({int(match[1]) for name in weights if (match := _NUMBERED.fullmatch(name))})
    if not numbers:
        return weights
    convolutions = [name for name, module in encoder.named_modules() if isinstance(module, nn.Conv2d)]
    if len(numbers) != len(convolutions):
        raise DataError(
            f"The weights {where} hold {len(numbers)} numbered convolutions, and this encoder has {len(convolutions)}. "
            "Give weights of the encoder that the recipe names, or change `encoder`."
        )
    return {
        f"{name}.{kind}": weights[f"conv_{number}_{kind}"]
        for number, name in zip(numbers, convolutions, strict=True)
        for kind in ("weight", "bias")
        if f"conv_{number}_{kind}" in weights
    }


def fold_into_norms(weights: dict[str, Tensor], encoder: nn.Module) -> tuple[dict[str, Tensor], int]:
    """Move the biases of folded convolutions into the normalisation layers behind them.

    Returns the weights with all arrays of those layers, and how many there were. A convolution counts as folded when
    the file has a bias for it, the encoder has none, and its normalisation follows but is not in the file.
    """
    result, folded = dict(weights), 0
    for (convolution, first), (norm, second) in pairwise(_leaves(encoder)):
        bias = f"{convolution}.bias"
        if not (isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d)):
            continue
        if bias in weights and first.bias is None and f"{norm}.running_mean" not in weights:
            result |= _identity_norm(norm, result.pop(bias), second.eps)
            folded += 1
    return result, folded


def calibrate_folded_norms(network: nn.Module, chips: Tensor) -> int:
    """Give unfolded normalisation layers the statistics of real chips (n, bands, h, w), scaled as in training.

    The output in evaluation stays as it was; in training, a batch's own statistics now mean the right thing. Returns
    how many layers were calibrated: 0 for a network without any, on which nothing is run.
    """
    norms = [module for module in network.modules() if _is_unfolded(module)]
    if not norms:
        return 0
    was_training = network.training
    hooks = [norm.register_forward_pre_hook(_calibrate) for norm in norms]
    try:
        with torch.no_grad():
            network.eval()(chips)
    finally:
        for hook in hooks:
            hook.remove()
        network.train(was_training)
    return len(norms)


def _leaves(encoder: nn.Module) -> list[tuple[str, nn.Module]]:
    return [(name, module) for name, module in encoder.named_modules() if not any(module.children())]


def _identity_norm(name: str, bias: Tensor, eps: float) -> Mapping[str, Tensor]:
    one = torch.ones_like(bias)
    return {
        f"{name}.weight": one,
        f"{name}.bias": bias,
        f"{name}.running_mean": torch.zeros_like(bias),
        f"{name}.running_var": one - eps,
    }


def _is_unfolded(module: nn.Module) -> bool:
    """Whether a layer is as `_identity_norm` left it; a fresh layer has variance 1, not 1 - eps."""
    if not isinstance(module, nn.BatchNorm2d) or module.running_mean is None or module.running_var is None:
        return False
    variance = torch.ones_like(module.running_var) - module.eps
    return bool((module.running_mean == 0).all() and torch.equal(module.running_var, variance))


def _calibrate(norm: nn.Module, inputs: tuple[Tensor]) -> None:
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    # The layer's function stays the same, so all layers can be measured in one pass.
    variance, mean = torch.var_mean(inputs[0], dim=(0, 2, 3), correction=0)
    norm.weight.copy_(torch.sqrt(variance + norm.eps))
    norm.bias.add_(mean)
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
