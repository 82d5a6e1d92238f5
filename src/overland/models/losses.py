"""A loss from settings: a weighted sum of the field's losses."""

from __future__ import annotations

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


# Logits beside labels, with the pixels that have no label taken out: what every loss is computed from.


@dataclass(frozen=True)
class LabelledBatch:
    """A batch in which pixels without a label have logits, scores and truth of 0.

    `logits` (n, k, h, w) in float32 or wider: k is 1 for class 1 against class 0, else the number of classes.
    `target` (n, h, w) int64 ids, 0 where there is no label. `known` (n, h, w) bool. `class_weights` (classes,) or None.
    """

    logits: Tensor
    target: Tensor
    known: Tensor
    class_weights: Tensor | None = None

    @property
    def is_binary(self) -> bool:
        """Whether one channel decides between class 1 and class 0."""
        return self.logits.shape[1] == 1

    @cached_property
    def scores(self) -> Tensor:
        """Sigmoid or softmax (n, k, h, w)."""
        scores = torch.sigmoid(self.logits) if self.is_binary else torch.softmax(self.logits, dim=1)
        return scores * self.known[:, None]

    @cached_property
    def truth(self) -> Tensor:
        """1 where a pixel is of the class, else 0 (n, k, h, w)."""
        if self.is_binary:
            return self.target[:, None].to(self.logits.dtype)
        one_hot = torch.movedim(F.one_hot(self.target, self.logits.shape[1]), -1, 1)
        return one_hot.to(self.logits.dtype) * self.known[:, None]

    def mean_over_classes(self, losses: Tensor) -> Tensor:
        """Mean of one loss for each class (k,) over the classes that occur in the batch; over all when none does."""
        occurs = self.truth.sum((0, 2, 3)) > 0
        return losses[occurs].mean() if occurs.any() else losses.mean()


def labelled_batch(
    logits: Tensor, target: Tensor, ignore_index: int, class_weights: Tensor | None = None
) -> LabelledBatch:
    """Take out of `logits` (n, k, h, w) and `target` (n, h, w) what has the id `ignore_index`."""
    known = target != ignore_index
    # Half precision overflows in sums over an image.
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    ids = (target == 1).long() if logits.shape[1] == 1 else target.long().masked_fill(~known, 0)
    return LabelledBatch(wide.masked_fill(~known[:, None], 0.0), ids, known, class_weights)


# Losses of single pixels: cross entropy and focal.

_LEAST_WEIGHT = 1e-6
_LEAST_DOUBT = 1e-12


def cross_entropy(batch: LabelledBatch, *, class_weights: bool | None = None) -> Tensor:
    """Mean of -log of the true class's score; with a single output this is binary cross entropy.

    A weighted mean where the batch has class weights: the weights of a batch add up to 1, as in PyTorch.
    `class_weights` true insists on them, false does without. Raises `UsageError` when they are missing.
    """
    if class_weights and batch.class_weights is None:
        raise UsageError("cross_entropy with class_weights: true needs the weights of the classes; none were given.")
    weights = batch.known.to(batch.logits.dtype)
    if batch.class_weights is not None and class_weights is not False:
        weights = weights * batch.class_weights.to(weights.dtype)[batch.target]
    return (weights * _entropies(batch)).sum() / weights.sum().clamp_min(_LEAST_WEIGHT)


def focal(batch: LabelledBatch, *, gamma: float = 2.0, alpha: float | None = None) -> Tensor:
    """Mean of -(1 - p)^gamma log p, p the true class's score, so that pixels which are clear count little.

    `alpha`, with a single output only, weighs class 1 by alpha and class 0 by 1 - alpha. Raises `UsageError` for an
    alpha above 1 or beside several outputs. Source: Lin et al. 2017, eq. 4 and 5, here with the mean over pixels.
    """
    if alpha is not None and not (batch.is_binary and alpha <= 1):
        raise UsageError(
            f"focal's alpha weighs class 1 against class 0, so it is within 0..1 and needs a model of one output; "
            f"got {alpha} for {batch.logits.shape[1]}. For several classes leave it out."
        )
    entropies = _entropies(batch)
    # A score of exactly 1 would have an infinite derivative under a power below 1.
    doubt = (-torch.expm1(-entropies)).clamp_min(_LEAST_DOUBT)
    losses = doubt**gamma * entropies * batch.known
    if alpha is not None:
        losses = losses * torch.where(batch.target == 1, alpha, 1 - alpha)
    return losses.sum() / batch.known.sum().clamp_min(1)


def _entropies(batch: LabelledBatch) -> Tensor:
    if batch.is_binary:
        return F.binary_cross_entropy_with_logits(batch.logits[:, 0], batch.truth[:, 0], reduction="none")
    return F.cross_entropy(batch.logits, batch.target, reduction="none")


# Losses of whole areas: Dice, Tversky and focal Tversky.
#
# Each sums over the whole batch before it divides, so that a chip without road does not turn into a ratio of noise to
# noise; then it takes the mean over the classes that occur in the batch. With one output it looks at class 1 alone.

_AREA = (0, 2, 3)
_LEAST_MISS = 1e-7


def dice(batch: LabelledBatch, *, smooth: float = 1.0) -> Tensor:
    """1 - (2 S(p t) + smooth) / (S(p) + S(t) + smooth), with scores p, truth t and S their sum over the batch.

    A `smooth` of 1 pixel keeps batches with little road calm; one published system has 1e-6.
    Source: Milletari et al. 2016, with plain sums in the denominator.
    """
    overlap = (batch.scores * batch.truth).sum(_AREA)
    total = batch.scores.sum(_AREA) + batch.truth.sum(_AREA)
    return batch.mean_over_classes(1 - smoothed_ratio(2 * overlap, total, smooth))


def tversky(batch: LabelledBatch, *, alpha: float = 0.7, beta: float | None = None, smooth: float = 1.0) -> Tensor:
    """1 - TI, where TI = (hits + smooth) / (hits + alpha * misses + beta * false alarms + smooth).

    `alpha` weighs misses (false negatives) and `beta` false alarms (false positives), as in Abraham and Khan; without
    one it is 1 - alpha. Salehi et al. 2017, who proposed the index, have the letters the other way round. 0.5 and 0.5
    are Dice with twice the smooth. Raises `UsageError` for an alpha above 1 without a beta.
    """
    return batch.mean_over_classes(_tversky_losses(batch, alpha, beta, smooth))


def focal_tversky(
    batch: LabelledBatch, *, alpha: float = 0.7, beta: float | None = None, gamma: float = 0.75, smooth: float = 1.0
) -> Tensor:
    """(1 - TI)^gamma for each class, with the Tversky index TI, `alpha` and `beta` of `tversky`.

    `gamma` is the exponent itself: a paper's 1/gamma with gamma 4/3 is 0.75 here. Below 1 it keeps the gradient of
    classes that are nearly right. Source: Abraham and Khan 2018, eq. 4, with the mean over classes for the sum.
    """
    # A perfect class would have an infinite derivative under a power below 1.
    losses = _tversky_losses(batch, alpha, beta, smooth).clamp_min(_LEAST_MISS)
    return batch.mean_over_classes(losses**gamma)


def smoothed_ratio(part: Tensor, whole: Tensor, smooth: float) -> Tensor:
    """(part + smooth) / (whole + smooth). Raises `UsageError` unless `smooth` is above 0."""
    if smooth <= 0:
        raise UsageError(f"smooth keeps an empty class from dividing 0 by 0, so it is above 0; got {smooth}. Try 1e-6.")
    return (part + smooth) / (whole + smooth)


def _tversky_losses(batch: LabelledBatch, alpha: float, beta: float | None, smooth: float) -> Tensor:
    if beta is None:
        if alpha > 1:
            raise UsageError(
                f"alpha is {alpha} and beta, which is 1 - alpha unless given, would be negative. Give both."
            )
        beta = 1 - alpha
    hits = (batch.scores * batch.truth).sum(_AREA)
    misses = batch.truth.sum(_AREA) - hits
    false_alarms = batch.scores.sum(_AREA) - hits
    return 1 - smoothed_ratio(hits, hits + alpha * misses + beta * false_alarms, smooth)


# The Lovász losses: the IoU itself, extended to scores so that it has a gradient.


def lovasz(batch: LabelledBatch) -> Tensor:
    """Lovász-softmax, mean over the classes that occur in the batch; the Lovász hinge of class 1 with one output.

    Errors of all labelled pixels of the batch are sorted together, not image by image. Best as a small part of a sum
    whose larger part is cross entropy. Source: Berman et al. 2018, algorithm 1, eq. 9 and 11.
    """
    truth = batch.truth.movedim(1, -1)[batch.known]
    if batch.is_binary:
        logits = batch.logits.movedim(1, -1)[batch.known]
        return _extension(torch.relu(1 - logits * (2 * truth - 1)), truth).mean()
    scores = batch.scores.movedim(1, -1)[batch.known]
    occurs = truth.sum(0) > 0
    truth, scores = truth[:, occurs], scores[:, occurs]
    return _extension((truth - scores).abs(), truth).mean()


def _extension(errors: Tensor, truth: Tensor) -> Tensor:
    """The Lovász extension of the Jaccard loss at errors (pixels, classes): one value for each class."""
    errors, order = torch.sort(errors, dim=0, descending=True)
    losses = _jaccard_losses(torch.gather(truth, 0, order))
    steps = torch.cat([losses[:1], losses[1:] - losses[:-1]])
    return (errors * steps).sum(0)


def _jaccard_losses(truth: Tensor) -> Tensor:
    """1 - IoU when the first pixel is wrong, the first two, the first three, ... (pixels, classes)."""
    # Whole numbers, since float32 cannot count beyond 16.7 million pixels.
    positive = truth.long()
    total = positive.sum(0)
    intersection = total - positive.cumsum(0)
    union = total + (1 - positive).cumsum(0)
    return 1 - intersection.to(truth.dtype) / union.to(truth.dtype)


# Soft centreline Dice: a loss that looks at the middle of roads, and so at whether they hang together.


def cldice(batch: LabelledBatch, *, iterations: int = 3, smooth: float = 1.0) -> Tensor:
    """1 - the harmonic mean of how much of the predicted centreline is road, and of the true one is found.

    `iterations` is the half-width in pixels of the widest road whose middle is found. The edge of the labelled area
    is like the edge of the image. Best beside Dice with a weight of 0.3 to 0.5.
    Source: Shit et al. 2021, algorithms 1 and 2.
    """
    found, true = batch.scores, batch.truth
    unknown = ~batch.known[:, None]
    found_line, true_line = (_soft_skeleton(image, unknown, iterations) for image in (found, true))
    precision = smoothed_ratio((found_line * true).sum(_AREA), found_line.sum(_AREA), smooth)
    sensitivity = smoothed_ratio((true_line * found).sum(_AREA), true_line.sum(_AREA), smooth)
    return batch.mean_over_classes(1 - 2 * precision * sensitivity / (precision + sensitivity))


def _soft_skeleton(image: Tensor, unknown: Tensor, iterations: int) -> Tensor:
    skeleton = torch.zeros_like(image)
    for _ in range(iterations + 1):
        eroded = _soft_erode(image, unknown)
        ridge = torch.relu(image - _soft_dilate(eroded, unknown))
        skeleton = skeleton + torch.relu(ridge - skeleton * ridge)
        image = eroded
    return skeleton.masked_fill(unknown, 0.0)


# What has no label is neither the smallest of its neighbours in eroding nor the largest in dilating.
def _soft_erode(image: Tensor, unknown: Tensor) -> Tensor:
    inverse = -image.masked_fill(unknown, 1.0)
    above_and_below = F.max_pool2d(inverse, (3, 1), stride=1, padding=(1, 0))
    beside = F.max_pool2d(inverse, (1, 3), stride=1, padding=(0, 1))
    return -torch.maximum(above_and_below, beside)


def _soft_dilate(image: Tensor, unknown: Tensor) -> Tensor:
    return F.max_pool2d(image.masked_fill(unknown, 0.0), 3, stride=1, padding=1)


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
