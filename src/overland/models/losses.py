"""A loss from settings: a weighted sum of the field's losses."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

import torch
from torch import Tensor, nn

from overland.config import closest_name
from overland.errors import UsageError
from overland.legend import IGNORE_INDEX
from overland.models.losses.cldice import cldice
from overland.models.losses.entropy import cross_entropy, focal
from overland.models.losses.labelled import LabelledBatch, labelled_batch
from overland.models.losses.lovasz import lovasz
from overland.models.losses.overlap import dice, focal_tversky, tversky

__all__ = ["SegmentationLoss", "loss_from_terms", "loss_needs_class_weights"]

_LOSSES: dict[str, Callable[..., Tensor]] = {
    "cross_entropy": cross_entropy,
    "dice": dice,
    "focal": focal,
    "tversky": tversky,
    "focal_tversky": focal_tversky,
    "lovasz": lovasz,
    "cldice": cldice,
}
# Not a second spelling, only a better error: a model of one output makes each of them binary.
_NAMES_ELSEWHERE = {
    "bce": "cross_entropy",
    "binary_cross_entropy": "cross_entropy",
    "categorical_crossentropy": "cross_entropy",
    "ce": "cross_entropy",
    "lovasz_hinge": "lovasz",
    "lovasz_softmax": "lovasz",
    "soft_cldice": "cldice",
    "soft_dice": "dice",
}
_NOT_OPTIONS = {"batch", "return"}


@dataclass(frozen=True)
class _Term:
    name: str
    weight: float
    options: dict[str, Any]

    def value(self, batch: LabelledBatch) -> Tensor:
        return _LOSSES[self.name](batch, **self.options)


class SegmentationLoss(nn.Module):
    """A weighted sum of losses, called with logits (n, outputs, h, w) and ids (n, h, w); made by `loss_from_terms`.

    Pixels of `ignore_index` count nowhere. A batch without any label gives 0. Computed in float32 at least.
    """

    class_weights: Tensor | None

    def __init__(self, terms: Sequence[_Term], ignore_index: int, class_weights: Tensor | None) -> None:
        super().__init__()
        self._terms = tuple(terms)
        self._ignore_index = ignore_index
        self.register_buffer("class_weights", class_weights, persistent=False)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """The weighted sum, a scalar."""
        parts = self.parts(logits, target)
        return torch.stack([term.weight * parts[term.name] for term in self._terms]).sum()

    def parts(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Each loss by its name, before it is weighted."""
        batch = labelled_batch(logits, target, self._ignore_index, self.class_weights)
        if not batch.known.any():
            return {term.name: batch.logits.sum() * 0.0 for term in self._terms}
        return {term.name: term.value(batch) for term in self._terms}


def loss_from_terms(
    terms: Mapping[str, Any],
    *,
    num_outputs: int,
    ignore_index: int = IGNORE_INDEX,
    class_weights: Tensor | None = None,
) -> SegmentationLoss:
    """A weighted sum of losses, as the setting `loss` says it: name to weight, or to `{weight: 1, ...options}`.

    Names: cross_entropy, dice, focal, tversky, focal_tversky, lovasz, cldice; the functions of those names have the
    options. One of `num_outputs` decides class 1 against class 0. `class_weights` (classes,) weigh the cross entropy.
    Raises `UsageError` for an unknown name or option (with the closest one) and for a value that makes no sense.
    """
    read = [_term(name, value) for name, value in terms.items()]
    if not any(term.weight for term in read):
        raise UsageError(f"loss needs a loss with a weight above 0, such as cross_entropy: 1; got {dict(terms)}.")
    classes = max(2, num_outputs)
    if class_weights is not None and class_weights.shape != (classes,):
        raise UsageError(
            f"{classes} classes need {classes} class weights; got a shape of {tuple(class_weights.shape)}."
        )
    loss = SegmentationLoss([term for term in read if term.weight], ignore_index, class_weights)
    _try_once(loss, num_outputs)
    return loss


def loss_needs_class_weights(terms: Mapping[str, Any]) -> bool:
    """Whether a loss says `class_weights: true`, so that `loss_from_terms` will insist on them."""
    return any(_term(name, value).options.get("class_weights") is True for name, value in terms.items())


def _try_once(loss: SegmentationLoss, num_outputs: int) -> None:
    """Let the losses refuse options that do not go together now, not after the data are read."""
    device = None if loss.class_weights is None else loss.class_weights.device
    with torch.no_grad():
        loss(torch.zeros(1, num_outputs, 2, 2, device=device), torch.zeros(1, 2, 2, dtype=torch.long, device=device))


def _term(name: str, value: Any) -> _Term:
    if name not in _LOSSES:
        meant = _NAMES_ELSEWHERE.get(str(name).lower())
        hint = f"; it is called {meant} here" if meant else closest_name(name, _LOSSES)
        raise UsageError(f"There is no loss {name!r}{hint}. Losses: {', '.join(_LOSSES)}.")
    options = dict(value) if isinstance(value, Mapping) else {"weight": value}
    weight = _value_of_kind(options.pop("weight", 1.0), float, f"the weight of {name}")
    return _Term(name, weight, _options(name, options))


def _options(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    kinds = {option: kind for option, kind in get_type_hints(_LOSSES[name]).items() if option not in _NOT_OPTIONS}
    for option in values:
        if option not in kinds:
            known = ["weight", *kinds]
            raise UsageError(
                f"The loss {name} has no option {option!r}{closest_name(option, known)}. Options: {', '.join(known)}."
            )
    return {option: _value_of_kind(value, kinds[option], f"{name}'s {option}") for option, value in values.items()}


def _value_of_kind(value: Any, kind: Any, where: str) -> Any:
    kinds = get_args(kind) or (kind,)
    if value is None and type(None) in kinds:
        return None
    if bool in kinds:
        if isinstance(value, bool):
            return value
        raise UsageError(f"{where} is true or false; got {value!r}.")
    number = _number(value)
    if int in kinds and number >= 1 and number.is_integer():
        return int(number)
    if float in kinds and number >= 0:
        return number
    raise UsageError(f"{where} is a {'whole number from 1' if int in kinds else 'number from 0'}; got {value!r}.")


def _number(value: Any) -> float:
    # YAML reads 1e-6 as text (it wants 1.0e-6).
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return math.nan
    return number if math.isfinite(number) else math.nan
