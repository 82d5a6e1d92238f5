import numpy as np
import pytest

torch = pytest.importorskip("torch")

from overland.models import loss_from_terms

# One output on four pixels, the first two road: 1.2 of overlap, 0.8 missed, 0.2 of false alarm.
SCORES = torch.tensor([0.8, 0.4, 0.2, 1e-9]).reshape(1, 1, 2, 2)
ROAD = torch.tensor([[[1, 1], [0, 0]]])
# Three outputs on four pixels of classes 0, 0, 1, 1; class 2 does not occur.
THREE = torch.tensor([[0.7, 0.5, 0.2, 0.1], [0.2, 0.4, 0.6, 0.8], [0.1, 0.1, 0.2, 0.1]]).reshape(1, 3, 2, 2)
LAND = torch.tensor([[[0, 0], [1, 1]]])


def binary(terms):
    return loss_from_terms(terms, num_outputs=1)(torch.logit(SCORES), ROAD).item()


def three_classes(terms):
    return loss_from_terms(terms, num_outputs=3)(torch.log(THREE), LAND).item()


def test_dice_by_hand():
    assert binary({"dice": 1}) == pytest.approx(1 - (2 * 1.2 + 1) / (1.4 + 2 + 1), rel=1e-5)


def test_dice_with_the_published_epsilon_by_hand():
    assert binary({"dice": {"smooth": 1e-6}}) == pytest.approx(1 - 2.4 / 3.4, rel=1e-5)


def test_dice_of_several_classes_is_the_mean_over_those_that_occur():
    # Class 0: overlap 1.2, scores 1.5, truth 2. Class 1: overlap 1.4, scores 2.0, truth 2.
    expected = 1 - ((2.4 + 1) / (3.5 + 1) + (2.8 + 1) / (4 + 1)) / 2
    assert three_classes({"dice": 1}) == pytest.approx(expected, rel=1e-5)


def test_dice_is_taken_over_the_batch_not_image_by_image():
    # A chip of road scored 0.5 throughout, and one without road scored 0: Dice 2 * 2 / (2 + 4), as if they were one.
    scores = torch.stack([torch.full((1, 2, 2), 0.5), torch.full((1, 2, 2), 1e-9)])
    target = torch.stack([torch.ones(2, 2, dtype=torch.long), torch.zeros(2, 2, dtype=torch.long)])
    loss = loss_from_terms({"dice": {"smooth": 1e-6}}, num_outputs=1)(torch.logit(scores), target)
    assert loss.item() == pytest.approx(1 - 4 / 6, rel=1e-5)


def test_tversky_by_hand():
    # alpha weighs the 0.8 that is missed, beta the 0.2 of false alarm.
    expected = 1 - (1.2 + 1) / (1.2 + 0.7 * 0.8 + 0.3 * 0.2 + 1)
    assert binary({"tversky": {"alpha": 0.7, "beta": 0.3}}) == pytest.approx(expected, rel=1e-5)
    assert binary({"tversky": {"alpha": 0.7}}) == pytest.approx(expected, rel=1e-5)


def test_tversky_of_several_classes_by_hand():
    # Class 0: hits 1.2, missed 0.8, false 0.3. Class 1: hits 1.4, missed 0.6, false 0.6.
    each = (1.2 + 1) / (1.2 + 0.9 * 0.8 + 0.4 * 0.3 + 1), (1.4 + 1) / (1.4 + 0.9 * 0.6 + 0.4 * 0.6 + 1)
    expected = 1 - sum(each) / 2
    assert three_classes({"tversky": {"alpha": 0.9, "beta": 0.4}}) == pytest.approx(expected, rel=1e-5)


def test_tversky_of_a_half_and_a_half_is_dice_with_twice_the_smooth():
    assert binary({"tversky": {"alpha": 0.5, "smooth": 1}}) == pytest.approx(binary({"dice": {"smooth": 2}}), rel=1e-5)


def test_a_larger_alpha_costs_misses_more():
    missed = torch.full((1, 1, 2, 2), -5.0)
    loss = {alpha: loss_from_terms({"tversky": {"alpha": alpha}}, num_outputs=1) for alpha in (0.3, 0.7)}
    assert loss[0.7](missed, ROAD) > loss[0.3](missed, ROAD)


def test_focal_tversky_by_hand():
    index = (1.2 + 1) / (1.2 + 0.7 * 0.8 + 0.3 * 0.2 + 1)
    loss = binary({"focal_tversky": {"alpha": 0.7, "gamma": 0.75}})
    assert loss == pytest.approx((1 - index) ** 0.75, rel=1e-5)


def test_focal_tversky_of_several_classes_takes_the_power_of_each():
    index = np.array([2.2 / (2.2 + 0.7 * 0.8 + 0.3 * 0.3), 2.4 / (2.4 + 0.7 * 0.6 + 0.3 * 0.6)])
    loss = three_classes({"focal_tversky": {"alpha": 0.7, "gamma": 0.75}})
    assert loss == pytest.approx(((1 - index) ** 0.75).mean(), rel=1e-5)


@pytest.mark.parametrize("outputs", [1, 2])
def test_a_perfect_prediction_costs_next_to_nothing_and_has_a_finite_gradient(outputs):
    signs = torch.where(ROAD == 1, 200.0, -200.0)[:, None]
    logits = (signs if outputs == 1 else torch.cat([-signs, signs], dim=1)).requires_grad_()
    for name in ("dice", "tversky", "focal_tversky"):
        loss = loss_from_terms({name: 1}, num_outputs=outputs)(logits, ROAD)
        loss.backward()
        assert loss.item() == pytest.approx(0, abs=1e-5)
    assert torch.isfinite(logits.grad).all()
