"""Losses of segmentation, and their weighted sum as a recipe writes it.

Every built-in loss is computed from a `LabelledBatch`: logits and labels from which the ignored pixels are taken out.
`cross_entropy` and `focal` look at single pixels. `dice`, `tversky` and `focal_tversky` compare whole areas: each sums
over the batch before it divides, so that a chip without road does not turn into a ratio of noise to noise, and then
takes the mean over the classes that occur in the batch (with one output it looks at class 1 alone). `lovasz` is the IoU
itself, extended so that it has a gradient. `cldice` looks at the middle of roads, and so at whether they hang together.

A loss of the user's own is any function or `torch.nn.Module` of logits (n, outputs, h, w) and ids (n, h, w).
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_args, get_type_hints

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from overland.errors import UsageError
from overland.legend import IGNORE_INDEX
from overland.text import closest_name

__all__ = [
    "LabelledBatch",
    "OwnLoss",
    "SegmentationLoss",
    "cldice",
    "cross_entropy",
    "dice",
    "focal",
    "focal_tversky",
    "labelled_batch",
    "loss_from_terms",
    "loss_needs_class_weights",
    "lovasz",
    "smoothed_ratio",
    "tversky",
]

OwnLoss = Callable[..., Any]
"""A function, or a class that makes one, of logits (n, outputs, h, w) and ids (n, h, w) to a scalar."""

_AREA = (0, 2, 3)
_LEAST_WEIGHT = 1e-6
_LEAST_DOUBT = 1e-12
_LEAST_MISS = 1e-7
_TRIAL_SIDE = 16


@dataclass(frozen=True)
class LabelledBatch:
    """A batch in which ignored pixels have logits, probabilities and truth of 0.

    Args:
        logits: Logits (n, k, h, w) in float32 or wider; k is 1 for class 1 against class 0, else the number of classes.
        labels: Class ids (n, h, w) int64, 0 where a pixel is ignored.
        known: Pixels (n, h, w) that are not ignored.
        class_weights: Weight of each class (classes,) in the cross entropy.
    """

    logits: Tensor
    labels: Tensor
    known: Tensor
    class_weights: Tensor | None = None

    @property
    def is_binary(self) -> bool:
        """True where one channel decides between class 1 and class 0."""
        return self.logits.shape[1] == 1

    @cached_property
    def probabilities(self) -> Tensor:
        """Sigmoid or softmax (n, k, h, w)."""
        found = torch.sigmoid(self.logits) if self.is_binary else torch.softmax(self.logits, dim=1)
        return found * self.known[:, None]

    @cached_property
    def truth(self) -> Tensor:
        """1 where a pixel is of the class, else 0 (n, k, h, w)."""
        if self.is_binary:
            return self.labels[:, None].to(self.logits.dtype)
        one_hot = torch.movedim(F.one_hot(self.labels, self.logits.shape[1]), -1, 1)
        return one_hot.to(self.logits.dtype) * self.known[:, None]

    def mean_over_classes(self, losses: Tensor) -> Tensor:
        """Return the mean of one loss for each class over the classes that occur in the batch, over all if none does.

        Args:
            losses: Loss of each class (k,).
        """
        occurs = self.truth.sum((0, 2, 3)) > 0
        return losses[occurs].mean() if occurs.any() else losses.mean()


def labelled_batch(
    logits: Tensor, labels: Tensor, ignore_index: int, class_weights: Tensor | None = None
) -> LabelledBatch:
    """Take the ignored pixels out of a batch.

    Args:
        logits: Logits (n, k, h, w).
        labels: Class ids (n, h, w).
        ignore_index: Id of the pixels that are ignored.
        class_weights: Weight of each class (classes,) in the cross entropy.
    """
    known = labels != ignore_index
    # Half precision overflows in sums over an image.
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    ids = (labels == 1).long() if logits.shape[1] == 1 else labels.long().masked_fill(~known, 0)
    return LabelledBatch(wide.masked_fill(~known[:, None], 0.0), ids, known, class_weights)


def cross_entropy(batch: LabelledBatch, *, class_weights: bool | None = None) -> Tensor:
    """Return the mean of -log of the true class's probability; binary cross entropy for a single output.

    A weighted mean where the batch has class weights: the weights of a batch add up to 1, as in PyTorch.

    Args:
        batch: Logits and labels.
        class_weights: True insists on weights of the classes, False does without; by default they are used if given.

    Raises:
        UsageError: The weights are insisted on and missing.
    """
    if class_weights and batch.class_weights is None:
        raise UsageError("cross_entropy with class_weights: true needs the weights of the classes; none were given.")
    weights = batch.known.to(batch.logits.dtype)
    if batch.class_weights is not None and class_weights is not False:
        weights = weights * batch.class_weights.to(weights.dtype)[batch.labels]
    return (weights * _entropies(batch)).sum() / weights.sum().clamp_min(_LEAST_WEIGHT)


def focal(batch: LabelledBatch, *, gamma: float = 2.0, alpha: float | None = None) -> Tensor:
    """Return the mean of -(1 - p)^gamma log p, p the true class's probability: pixels which are clear count little.

    Source: Lin et al. 2017, eq. 4 and 5, here with the mean over pixels.

    Args:
        batch: Logits and labels.
        gamma: Exponent; larger looks more at doubtful pixels.
        alpha: Weight of class 1, with 1 - alpha for class 0; with a single output only.

    Raises:
        UsageError: Alpha is above 1, or there are several outputs.
    """
    if alpha is not None and not (batch.is_binary and alpha <= 1):
        raise UsageError(
            f"focal's alpha weighs class 1 against class 0, so it is within 0..1 and needs a model of one output; "
            f"got {alpha} for {batch.logits.shape[1]}. For several classes leave it out."
        )
    entropies = _entropies(batch)
    # A probability of exactly 1 would have an infinite derivative under a power below 1.
    doubt = (-torch.expm1(-entropies)).clamp_min(_LEAST_DOUBT)
    losses = doubt**gamma * entropies * batch.known
    if alpha is not None:
        losses = losses * torch.where(batch.labels == 1, alpha, 1 - alpha)
    return losses.sum() / batch.known.sum().clamp_min(1)


def _entropies(batch: LabelledBatch) -> Tensor:
    if batch.is_binary:
        return F.binary_cross_entropy_with_logits(batch.logits[:, 0], batch.truth[:, 0], reduction="none")
    return F.cross_entropy(batch.logits, batch.labels, reduction="none")


def dice(batch: LabelledBatch, *, smooth: float = 1.0) -> Tensor:
    """Return 1 - (2 S(p t) + smooth) / (S(p) + S(t) + smooth), with probabilities p, truth t, S a sum over the batch.

    Source: Milletari et al. 2016, with plain sums in the denominator.

    Args:
        batch: Logits and labels.
        smooth: Pixels added to both sums. 1 keeps batches with little road calm; one published system has 1e-6.
    """
    overlap = (batch.probabilities * batch.truth).sum(_AREA)
    total = batch.probabilities.sum(_AREA) + batch.truth.sum(_AREA)
    return batch.mean_over_classes(1 - smoothed_ratio(2 * overlap, total, smooth))


def tversky(batch: LabelledBatch, *, alpha: float = 0.7, beta: float | None = None, smooth: float = 1.0) -> Tensor:
    """Return 1 - TI, where TI = (hits + smooth) / (hits + alpha * misses + beta * false alarms + smooth).

    Alpha and beta stand as in Abraham and Khan; Salehi et al. 2017, who proposed the index, have the letters the other
    way round. 0.5 and 0.5 are Dice with twice the smooth.

    Args:
        batch: Logits and labels.
        alpha: Weight of misses (false negatives).
        beta: Weight of false alarms (false positives); 1 - alpha by default.
        smooth: Pixels added to both sums.

    Raises:
        UsageError: Alpha is above 1 and there is no beta.
    """
    return batch.mean_over_classes(_tversky_losses(batch, alpha, beta, smooth))


def focal_tversky(
    batch: LabelledBatch, *, alpha: float = 0.7, beta: float | None = None, gamma: float = 0.75, smooth: float = 1.0
) -> Tensor:
    """Return (1 - TI)^gamma for each class, with the Tversky index TI of `tversky`.

    Source: Abraham and Khan 2018, eq. 4, with the mean over classes for the sum.

    Args:
        batch: Logits and labels.
        alpha: Weight of misses (false negatives).
        beta: Weight of false alarms (false positives); 1 - alpha by default.
        gamma: The exponent itself: a paper's 1/gamma with gamma 4/3 is 0.75 here. Below 1 it keeps the gradient of
            classes that are nearly right.
        smooth: Pixels added to both sums.
    """
    # A perfect class would have an infinite derivative under a power below 1.
    losses = _tversky_losses(batch, alpha, beta, smooth).clamp_min(_LEAST_MISS)
    return batch.mean_over_classes(losses**gamma)


def _tversky_losses(batch: LabelledBatch, alpha: float, beta: float | None, smooth: float) -> Tensor:
    if beta is None:
        if alpha > 1:
            raise UsageError(
                f"alpha is {alpha} and beta, which is 1 - alpha unless given, would be negative. Give both."
            )
        beta = 1 - alpha
    hits = (batch.probabilities * batch.truth).sum(_AREA)
    misses = batch.truth.sum(_AREA) - hits
    false_alarms = batch.probabilities.sum(_AREA) - hits
    return 1 - smoothed_ratio(hits, hits + alpha * misses + beta * false_alarms, smooth)


def smoothed_ratio(part: Tensor, whole: Tensor, smooth: float) -> Tensor:
    """Return (part + smooth) / (whole + smooth).

    Args:
        part: Sums of each class.
        whole: Sums of each class that hold the part.
        smooth: Number above 0 that keeps an empty class from dividing 0 by 0.

    Raises:
        UsageError: `smooth` is not above 0.
    """
    if smooth <= 0:
        raise UsageError(f"smooth keeps an empty class from dividing 0 by 0, so it is above 0; got {smooth}. Try 1e-6.")
    return (part + smooth) / (whole + smooth)


def lovasz(batch: LabelledBatch) -> Tensor:
    """Return the Lovász-softmax, mean over the classes in the batch; the Lovász hinge of class 1 with one output.

    Errors of all labelled pixels of the batch are sorted together, not image by image. Best as a small part of a sum
    whose larger part is cross entropy. Source: Berman et al. 2018, algorithm 1, eq. 9 and 11.

    Args:
        batch: Logits and labels.
    """
    truth = batch.truth.movedim(1, -1)[batch.known]
    if batch.is_binary:
        logits = batch.logits.movedim(1, -1)[batch.known]
        return _lovasz_extension(torch.relu(1 - logits * (2 * truth - 1)), truth).mean()
    probabilities = batch.probabilities.movedim(1, -1)[batch.known]
    occurs = truth.sum(0) > 0
    truth, probabilities = truth[:, occurs], probabilities[:, occurs]
    return _lovasz_extension((truth - probabilities).abs(), truth).mean()


def _lovasz_extension(errors: Tensor, truth: Tensor) -> Tensor:
    """Return the Lovász extension of the Jaccard loss at errors (pixels, classes): one value for each class."""
    errors, order = torch.sort(errors, dim=0, descending=True)
    # Whole numbers, since float32 cannot count beyond 16.7 million pixels.
    positive = torch.gather(truth, 0, order).long()
    total = positive.sum(0)
    intersection = total - positive.cumsum(0)
    union = total + (1 - positive).cumsum(0)
    # 1 - IoU when the first pixel is wrong, the first two, the first three, ...
    losses = 1 - intersection.to(truth.dtype) / union.to(truth.dtype)
    steps = torch.cat([losses[:1], losses[1:] - losses[:-1]])
    return (errors * steps).sum(0)


def cldice(batch: LabelledBatch, *, iterations: int = 3, smooth: float = 1.0) -> Tensor:
    """Return 1 - the harmonic mean of two fractions: predicted centreline that is road, true centreline found.

    The edge of the labelled area is like the edge of the image. Best next to Dice with a weight of 0.3 to 0.5.
    Source: Shit et al. 2021, algorithms 1 and 2.

    Args:
        batch: Logits and labels.
        iterations: Half-width in pixels of the widest road whose middle is found.
        smooth: Pixels added to both sums.
    """
    found, true = batch.probabilities, batch.truth
    ignored = ~batch.known[:, None]
    found_line, true_line = (_soft_skeleton(image, ignored, iterations) for image in (found, true))
    precision = smoothed_ratio((found_line * true).sum(_AREA), found_line.sum(_AREA), smooth)
    sensitivity = smoothed_ratio((true_line * found).sum(_AREA), true_line.sum(_AREA), smooth)
    return batch.mean_over_classes(1 - 2 * precision * sensitivity / (precision + sensitivity))


def _soft_skeleton(image: Tensor, ignored: Tensor, iterations: int) -> Tensor:
    skeleton = torch.zeros_like(image)
    for _ in range(iterations + 1):
        # An ignored pixel is neither the smallest of its neighbours in eroding nor the largest in dilating.
        inverse = -image.masked_fill(ignored, 1.0)
        rows = F.max_pool2d(inverse, (3, 1), stride=1, padding=(1, 0))
        cols = F.max_pool2d(inverse, (1, 3), stride=1, padding=(0, 1))
        eroded = -torch.maximum(rows, cols)
        opened = F.max_pool2d(eroded.masked_fill(ignored, 0.0), 3, stride=1, padding=1)
        ridge = torch.relu(image - opened)
        skeleton = skeleton + torch.relu(ridge - skeleton * ridge)
        image = eroded
    return skeleton.masked_fill(ignored, 0.0)


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
    """A loss with its weight and options; `own` for one of the user's own, which takes logits and ids."""

    name: str
    weight: float
    options: dict[str, Any]
    own: OwnLoss | None = None

    def value(self, batch: LabelledBatch, ignore_index: int) -> Tensor:
        if self.own is None:
            return _LOSSES[self.name](batch, **self.options)
        value: Tensor = self.own(batch.logits, batch.labels.masked_fill(~batch.known, ignore_index))
        return value


class SegmentationLoss(nn.Module):
    """A weighted sum of losses, made by `loss_from_terms`.

    Ignored pixels count nowhere. A batch without any label gives 0. Computed in float32 at least.

    Args:
        terms: The losses with their weights.
        ignore_index: Id of the pixels that are ignored.
        class_weights: Weight of each class (classes,) in the cross entropy.
    """

    class_weights: Tensor | None

    def __init__(self, terms: Sequence[_Term], ignore_index: int, class_weights: Tensor | None) -> None:
        super().__init__()
        self._terms = tuple(terms)
        self._ignore_index = ignore_index
        # A loss with tensors of its own goes to the device with this module.
        self._own = nn.ModuleList(term.own for term in terms if isinstance(term.own, nn.Module))
        self.register_buffer("class_weights", class_weights, persistent=False)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the weighted sum, a scalar.

        Args:
            logits: Logits (n, outputs, h, w).
            labels: Class ids (n, h, w).
        """
        parts = self.parts(logits, labels)
        return torch.stack([term.weight * parts[term.name] for term in self._terms]).sum()

    def parts(self, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return each loss by its name, before it is weighted.

        Args:
            logits: Logits (n, outputs, h, w).
            labels: Class ids (n, h, w).
        """
        batch = labelled_batch(logits, labels, self._ignore_index, self.class_weights)
        if not batch.known.any():
            return {term.name: batch.logits.sum() * 0.0 for term in self._terms}
        return {term.name: term.value(batch, self._ignore_index) for term in self._terms}


def loss_from_terms(
    terms: Mapping[str, Any],
    *,
    num_outputs: int,
    ignore_index: int = IGNORE_INDEX,
    class_weights: Tensor | None = None,
    own: Mapping[str, OwnLoss] | None = None,
) -> SegmentationLoss:
    """Make a weighted sum of losses of what the setting `loss` says.

    Args:
        terms: Weight of each loss by its name, or `{weight: 1, ...options}`. Names are cross_entropy, dice, focal,
            tversky, focal_tversky, lovasz and cldice, whose functions have the options, and those of `own`.
        num_outputs: Number of logits; one decides class 1 against class 0.
        ignore_index: Id of the pixels that are ignored.
        class_weights: Weight of each class (classes,) in the cross entropy.
        own: Losses of the user's own by name. A function is called with its options; a class is made with them first.

    Returns:
        The loss; it was called once, so that options which do not go together are refused here.

    Raises:
        UsageError: A name or an option is unknown (the closest is said), or a value makes no sense.
    """
    read = [_term(name, value, own or {}) for name, value in terms.items()]
    if not any(term.weight for term in read):
        raise UsageError(f"loss needs a loss with a weight above 0, such as cross_entropy: 1; got {dict(terms)}.")
    classes = max(2, num_outputs)
    if class_weights is not None and class_weights.shape != (classes,):
        raise UsageError(
            f"{classes} classes need {classes} class weights; got a shape of {tuple(class_weights.shape)}."
        )
    loss = SegmentationLoss([term for term in read if term.weight], ignore_index, class_weights)
    device = None if class_weights is None else class_weights.device
    side = _TRIAL_SIDE if own else 2
    logits = torch.zeros(1, num_outputs, side, side, device=device)
    labels = torch.zeros(1, side, side, dtype=torch.long, device=device)
    with torch.no_grad():
        try:
            values = loss.parts(logits, labels)
        except (TypeError, ValueError, RuntimeError, IndexError, AttributeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise UsageError(
                f"The loss fails on a batch of logits {tuple(logits.shape)} and ids {tuple(labels.shape)} ({reason})."
            ) from error
        for name, value in values.items():
            if not isinstance(value, Tensor) or value.ndim:
                raise UsageError(f"The loss {name} must give one number, a tensor without dimensions; got {value!r}.")
    return loss


def loss_needs_class_weights(terms: Mapping[str, Any]) -> bool:
    """Return True where a loss says `class_weights: true`, so that `loss_from_terms` will insist on them.

    Args:
        terms: The setting `loss`.
    """
    return any(isinstance(value, Mapping) and value.get("class_weights") is True for value in terms.values())


def _term(name: str, value: Any, own: Mapping[str, OwnLoss]) -> _Term:
    options = dict(value) if isinstance(value, Mapping) else {"weight": value}
    weight = _value_of_kind(options.pop("weight", 1.0), float, f"the weight of {name}")
    if name in own:
        loss: Any = own[name]
        if not callable(loss):
            raise UsageError(f"The loss {name} is no function and no class: {loss!r}.")
        if inspect.isclass(loss):
            try:
                made: Any = loss(**options)
            except TypeError as error:
                raise UsageError(f"The loss {name} cannot be made with the options {options} ({error}).") from error
        else:
            made = functools.partial(loss, **options) if options else loss
        return _Term(name, weight, options, made)
    if name not in _LOSSES:
        meant = _NAMES_ELSEWHERE.get(str(name).lower())
        hint = f"; it is called {meant} here" if meant else closest_name(name, _LOSSES)
        raise UsageError(
            f"There is no loss {name!r}{hint}. Losses: {', '.join(_LOSSES)}; or one of your own as package.module:name."
        )
    kinds = {option: kind for option, kind in get_type_hints(_LOSSES[name]).items() if option not in _NOT_OPTIONS}
    for option in options:
        if option not in kinds:
            known = ["weight", *kinds]
            raise UsageError(
                f"The loss {name} has no option {option!r}{closest_name(option, known)}. Options: {', '.join(known)}."
            )
    return _Term(
        name,
        weight,
        {option: _value_of_kind(item, kinds[option], f"{name}'s {option}") for option, item in options.items()},
    )


def _value_of_kind(value: Any, kind: Any, where: str) -> Any:
    kinds = get_args(kind) or (kind,)
    if value is None and type(None) in kinds:
        return None
    if bool in kinds:
        if isinstance(value, bool):
            return value
        raise UsageError(f"{where} is true or false; got {value!r}.")
    # YAML reads 1e-6 as text (it wants 1.0e-6).
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if math.isfinite(number):
        if int in kinds and number >= 1 and number.is_integer():
            return int(number)
        if float in kinds and number >= 0:
            return number
    raise UsageError(f"{where} is a {'whole number from 1' if int in kinds else 'number from 0'}; got {value!r}.")
