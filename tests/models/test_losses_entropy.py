import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from overland.models import loss_from_terms


def loss_of(terms, logits, target, **options):
    return loss_from_terms(terms, num_outputs=logits.shape[1], **options)(logits, target).item()


@pytest.mark.parametrize(("channels", "expected"), [(1, math.log(2)), (4, math.log(4))])
def test_without_a_preference_the_entropy_is_the_logarithm_of_the_number_of_choices(channels, expected):
    target = torch.tensor([[[0, 1], [1, 0]]])
    assert loss_of({"cross_entropy": 1}, torch.zeros(1, channels, 2, 2), target) == pytest.approx(expected)


def test_binary_entropy_by_hand():
    # Scores 0.9 on a road and 0.2 on a background pixel: (-ln 0.9 - ln 0.8) / 2 = (0.105361 + 0.223144) / 2.
    logits = torch.logit(torch.tensor([0.9, 0.2])).reshape(1, 1, 1, 2)
    assert loss_of({"cross_entropy": 1}, logits, torch.tensor([[[1, 0]]])) == pytest.approx(0.164252, abs=1e-6)


def test_two_outputs_say_the_same_as_one_whose_logit_is_their_difference():
    torch.manual_seed(0)
    logits, target = torch.randn(1, 2, 4, 4), torch.randint(0, 2, (1, 4, 4))
    weights = torch.tensor([1.0, 3.0])
    for terms in ({"cross_entropy": 1}, {"focal": {"gamma": 1.5}}):
        two = loss_of(terms, logits, target, class_weights=weights)
        one = loss_of(terms, logits[:, 1:] - logits[:, :1], target, class_weights=weights)
        assert one == pytest.approx(two, rel=1e-5)


def test_class_weights_of_one_output_by_hand():
    # Logit 1 on a background and a road pixel: -log s(-1) and -log s(1), weighted 1 and 3, through 4.
    loss = loss_of(
        {"cross_entropy": 1}, torch.ones(1, 1, 1, 2), torch.tensor([[[0, 1]]]), class_weights=torch.tensor([1.0, 3.0])
    )
    assert loss == pytest.approx((1 * math.log(1 + math.e) + 3 * math.log(1 + 1 / math.e)) / 4, rel=1e-5)


def test_class_weights_of_several_outputs_by_hand():
    # Scores of the true classes 1/2 and 1/4 with weights 2 and 6: (2 ln 2 + 6 ln 4) / 8.
    logits = torch.log(torch.tensor([[0.5, 0.25, 0.25], [0.5, 0.25, 0.25]])).T.reshape(1, 3, 1, 2)
    loss = loss_of(
        {"cross_entropy": {"class_weights": True}},
        logits,
        torch.tensor([[[0, 2]]]),
        class_weights=torch.tensor([2.0, 1.0, 6.0]),
    )
    assert loss == pytest.approx((2 * math.log(2) + 6 * math.log(4)) / 8, rel=1e-5)


def test_class_weights_can_be_left_out_of_a_term():
    logits, target = torch.randn(1, 3, 4, 4), torch.randint(0, 3, (1, 4, 4))
    terms = {"cross_entropy": {"class_weights": False}}
    weighted = loss_of(terms, logits, target, class_weights=torch.tensor([1.0, 2.0, 5.0]))
    assert weighted == pytest.approx(loss_of({"cross_entropy": 1}, logits, target))


def test_focal_by_hand():
    # True scores 0.9 and 0.5, gamma 2: 0.1^2 * -ln 0.9 = 0.00105361 and 0.5^2 * -ln 0.5 = 0.173287, through 2.
    logits = torch.logit(torch.tensor([0.9, 0.5])).reshape(1, 1, 1, 2)
    assert loss_of({"focal": 1}, logits, torch.tensor([[[1, 0]]])) == pytest.approx(0.0871702, abs=1e-6)


def test_focal_with_alpha_by_hand():
    # As before with alpha 1/4: road 0.25 * 0.00105361, background 0.75 * 0.173287, through 2.
    logits = torch.logit(torch.tensor([0.9, 0.5])).reshape(1, 1, 1, 2)
    loss = loss_of({"focal": {"gamma": 2, "alpha": 0.25}}, logits, torch.tensor([[[1, 0]]]))
    assert loss == pytest.approx((0.25 * 0.00105361 + 0.75 * 0.173287) / 2, abs=1e-6)


def test_focal_of_several_classes_is_the_paper_s_formula():
    rng = np.random.default_rng(0)
    logits, target = rng.normal(size=(2, 3, 5, 4)), rng.integers(0, 3, (2, 5, 4))
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    true_scores = np.take_along_axis(scores, target[:, None], axis=1)
    expected = (-((1 - true_scores) ** 1.3) * np.log(true_scores)).mean()
    loss = loss_of({"focal": {"gamma": 1.3}}, torch.tensor(logits), torch.tensor(target))
    assert loss == pytest.approx(expected, rel=1e-9)


def test_focal_without_a_gamma_is_cross_entropy():
    logits, target = torch.randn(1, 3, 4, 4), torch.randint(0, 3, (1, 4, 4))
    assert loss_of({"focal": {"gamma": 0}}, logits, target) == pytest.approx(
        loss_of({"cross_entropy": 1}, logits, target)
    )
