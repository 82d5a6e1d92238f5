"""Pretrained encoders from files: names and shapes checked, the first convolution adapted to the bands.

An ImageNet network published for inference often has convolutions with a bias and no normalisation left. The bias goes
into our normalisation layer, whose statistics are then those of no normalisation at all (mean 0, variance 1): right in
evaluation, wrong as soon as training puts the batch's statistics in. `calibrate_folded_norms` measures the true ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from overland.errors import DataError, UsageError
from overland.models.lite_encoders import lite_as_timm

__all__ = [
    "calibrate_folded_norms",
    "encoder_of",
    "fold_into_norms",
    "is_weights_file",
    "load_encoder_weights",
    "numbered_as_named",
    "read_weights",
]

_NUMBERED = re.compile(r"conv_(\d+)_(weight|bias)")
_SUFFIXES = (".safetensors", ".pth", ".pt", ".npz")
_WRAPPERS = ("state_dict", "model", "model_state_dict")  # what a training checkpoint keeps the weights under
_ITS_PREFIXES = ("", "module.", "encoder.", "model.", "backbone.", "network.encoder.", "encoder.model.")
_OUR_PREFIXES = ("", "model.", "features.")  # timm encoders in smp hold theirs under `model.`
_HEAD = re.compile(r"(^|\.)(classifier|fc|head|head_fc|last_linear)(\.|$)|num_batches_tracked$")


def numbered_as_named(weights: dict[str, Tensor], encoder: nn.Module, where: str) -> dict[str, Tensor]:
    """Rename `conv_<number>_weight|bias`, as ONNX graphs number them, to the encoder's convolutions in their order.

    Args:
        weights: Arrays by their names in the file.
        encoder: The encoder that they are for.
        where: Name of the file, for messages.

    Returns:
        The arrays by their new names; those with names of their own as they are.

    Raises:
        DataError: The number of convolutions differs.
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

    A convolution counts as folded when the file has a bias for it, the encoder has none, and its normalisation follows
    but is not in the file.

    Args:
        weights: Arrays by our names.
        encoder: The encoder that they are for.

    Returns:
        The arrays with all those of the normalisation layers, and the number of folded convolutions.
    """
    leaves = [(name, module) for name, module in encoder.named_modules() if not any(module.children())]
    result, folded = dict(weights), 0
    for (convolution, first), (norm, second) in pairwise(leaves):
        bias = f"{convolution}.bias"
        if not (isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d)):
            continue
        if bias in weights and first.bias is None and f"{norm}.running_mean" not in weights:
            value = result.pop(bias)
            one = torch.ones_like(value)
            result |= {
                f"{norm}.weight": one,
                f"{norm}.bias": value,
                f"{norm}.running_mean": torch.zeros_like(value),
                f"{norm}.running_var": one - second.eps,
            }
            folded += 1
    return result, folded


def calibrate_folded_norms(network: nn.Module, chips: Tensor) -> int:
    """Give unfolded normalisation layers the statistics of real chips.

    The output in evaluation stays as it was; in training, a batch's own statistics now mean the right thing.

    Args:
        network: The network, which is changed.
        chips: Chips (n, bands, h, w), scaled as in training.

    Returns:
        The number of layers that were calibrated: 0 for a network without any, on which nothing is run.
    """
    norms = []
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None and module.running_var is not None:
            # As `fold_into_norms` leaves a layer; a fresh one has variance 1, not 1 - eps.
            variance = torch.ones_like(module.running_var) - module.eps
            if (module.running_mean == 0).all() and torch.equal(module.running_var, variance):
                norms.append(module)
    if not norms:
        return 0

    def calibrate(norm: nn.Module, inputs: tuple[Tensor]) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        # The layer's function stays the same, so all layers can be measured in one pass.
        variance, mean = torch.var_mean(inputs[0], dim=(0, 2, 3), correction=0)
        norm.weight.copy_(torch.sqrt(variance + norm.eps))
        norm.bias.add_(mean)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)

    was_training = network.training
    hooks = [norm.register_forward_pre_hook(calibrate) for norm in norms]
    try:
        with torch.no_grad():
            network.eval()(chips)
    finally:
        for hook in hooks:
            hook.remove()
        network.train(was_training)
    return len(norms)


def is_weights_file(name: object) -> bool:
    """Return True where `encoder_weights` names a file; any other text is a name on the hub.

    Args:
        name: Value of the setting.
    """
    return isinstance(name, str | Path) and Path(name).suffix.lower() in _SUFFIXES


def load_encoder_weights(model: nn.Module, path: str | Path) -> list[str]:
    """Put pretrained weights from a file into the encoder of a network.

    The file is in the layout of torchvision, timm or segmentation_models_pytorch, with or without a classifier, and
    convolutions may have batch normalisation folded in (`calibrate_folded_norms` prepares those for training). A first
    convolution for another number of bands is repeated over ours and scaled.

    Args:
        model: The network, which is changed.
        path: A .safetensors, .pth (plain tensors only) or .npz (no pickles).

    Returns:
        Sentences about what was loaded and adapted.

    Raises:
        UsageError: The file is missing, or the network has no encoder.
        DataError: Its names or shapes are not those of this encoder; the network is then unchanged.
    """
    encoder = encoder_of(model)
    theirs = numbered_as_named(read_weights(path), encoder, str(path))
    ours = {name: value for name, value in encoder.state_dict().items() if not _HEAD.search(name)}
    theirs = lite_as_timm(theirs, ours)
    theirs, folded = fold_into_norms(_renamed(theirs, ours), encoder)
    theirs, notes = _adapted_to_bands(theirs, ours)
    named = [name for name in ours if name in theirs]
    unequal = [name for name in named if theirs[name].shape != ours[name].shape]
    if len(named) != len(ours) or unequal:
        example = unequal[0] if unequal else next(name for name in ours if name not in theirs)
        found = tuple(theirs[example].shape) if example in theirs else "nothing"
        raise DataError(
            f"The weights {path} are of another encoder: of the {len(ours)} arrays that it needs, {len(named)} are "
            f"there by name and {len(named) - len(unequal)} by shape ({example} should be "
            f"{tuple(ours[example].shape)}, found {found}). Give weights of the encoder that the recipe names, or "
            "change `encoder`."
        )
    # smp's encoders replace load_state_dict by one that wants a classifier too; this is the one below it.
    nn.Module.load_state_dict(encoder, {name: theirs[name] for name in ours}, strict=False)
    if folded:
        notes.append(f"{folded} convolutions came with batch normalisation folded in; it was unfolded.")
    return [f"{len(ours)} arrays of {Path(path).name} were put into the encoder.", *notes]


def encoder_of(model: nn.Module) -> nn.Module:
    """Return the part of a network that can be pretrained: `encoder` in smp, `backbone` in torchvision.

    Args:
        model: A network.

    Raises:
        UsageError: It has none.
    """
    for name in ("encoder", "backbone"):
        encoder = getattr(model, name, None)
        if isinstance(encoder, nn.Module):
            return encoder
    raise UsageError(
        f"encoder_weights were given, but {type(model).__name__} has no encoder that can be pretrained. "
        "Choose an architecture of segmentation_models_pytorch with `encoder`, or leave encoder_weights out."
    )


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Read named arrays from .safetensors, .pth or .npz; nothing in the file is executed.

    Args:
        path: The file.

    Raises:
        UsageError: It does not exist, or is of another kind.
        DataError: It cannot be read.
    """
    path = Path(path)
    if path.suffix.lower() not in _SUFFIXES:
        raise UsageError(f"{path} is no file of weights that Overland reads: {', '.join(_SUFFIXES)}.")
    if not path.is_file():
        raise UsageError(f"The weights {path} do not exist. Give the path of a {', '.join(_SUFFIXES)} file.")
    try:
        if path.suffix.lower() == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                weights = {name: torch.from_numpy(np.array(arrays[name])) for name in arrays.files}
        elif path.suffix.lower() == ".safetensors":
            # Here, because it belongs to training and most runs start without a file of weights.
            from safetensors.torch import load_file

            weights = dict(load_file(path))
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
            for wrapper in _WRAPPERS:
                if isinstance(content.get(wrapper), Mapping):
                    content = content[wrapper]
            weights = dict(content)
    # A damaged file raises what its reader happens to stumble over.
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"The weights {path} cannot be read ({type(error).__name__}: {reason}). "
            "Overland reads plain arrays only, no pickled objects: save the state dict as .safetensors."
        ) from error
    return {name: value for name, value in weights.items() if isinstance(value, Tensor)}


def _renamed(theirs: Mapping[str, Tensor], ours: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give their arrays our names, by the pair of prefixes that matches the most."""
    known = {_canonical(name): name for name in ours}

    def matched(theirs_prefix: str, our_prefix: str) -> dict[str, Tensor]:
        names = {
            name: _canonical(our_prefix + name.removeprefix(theirs_prefix))
            for name in theirs
            if name.startswith(theirs_prefix)
        }
        return {known.get(new, new): theirs[name] for name, new in names.items()}

    candidates = [matched(a, b) for a in _ITS_PREFIXES for b in _OUR_PREFIXES]
    return max(candidates, key=lambda candidate: sum(name in ours for name in candidate))


def _canonical(name: str) -> str:
    # timm flattens `stages.0.blocks` to `stages_0.blocks` in its feature extractors.
    return re.sub(r"_(\d+)(?=\.)", r".\1", name)


def _adapted_to_bands(theirs: dict[str, Tensor], ours: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    first = next((name for name, value in ours.items() if value.ndim == 4), None)
    if first is None or first not in theirs:
        return theirs, []
    given, wanted = theirs[first].shape, ours[first].shape
    if given == wanted or len(given) != 4 or (given[0], *given[2:]) != (wanted[0], *wanted[2:]):
        return theirs, []
    weight, bands = theirs[first], wanted[1]
    # Repeated and scaled, so that grey imagery gives the same answer as before.
    if bands == 1:
        adapted = weight.sum(dim=1, keepdim=True)
    else:
        adapted = weight[:, torch.arange(bands) % given[1]] * (given[1] / bands)
    note = f"The first convolution was adapted from {given[1]} to {bands} bands."
    return {**theirs, first: adapted}, [note]
