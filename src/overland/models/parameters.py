"""How large a network is, in both of the ways that people count."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ["parameter_counts"]


def parameter_counts(model: nn.Module) -> tuple[int, int]:
    """Trainable parameters, and statistics of batch normalisation (running means and variances).

    Keras counts the statistics among a model's parameters, as not trainable; PyTorch keeps them apart, as buffers.
    """
    trainable = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    statistics = [value for norm in norms for value in (norm.running_mean, norm.running_var) if value is not None]
    return trainable, sum(value.numel() for value in statistics)
