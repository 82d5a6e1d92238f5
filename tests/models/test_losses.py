import math

import pytest

torch = pytest.importorskip("torch")

from overland.models import segmentation_loss
from overland.models.losses import soft_dice_loss


def test_binary_entropy_by_hand():
    # Scores 1/2 everywhere: entropy ln 2 for every pixel.
    loss = segmentation_loss(torch.zeros(1, 1, 2, 2), torch.tensor([[[0, 1], [1, 0]]]), dice_weight=0)
    assert loss.item() == pytest.approx(math.log(2))


def test_multiclass_entropy_by_hand():
    loss = segmentation_loss(torch.zeros(1, 4, 2, 2), torch.tensor([[[0, 1], [2, 3]]]), dice_weight=0)
    assert loss.item() == pytest.approx(math.log(4))


def test_class_weights_by_hand():
    # Logit 1 on a background and a road pixel: -log s(-1) and -log s(1), weighted 1 and 3.
    logits = torch.ones(1, 1, 1, 2)
    loss = segmentation_loss(logits, torch.tensor([[[0, 1]]]), dice_weight=0, class_weights=torch.tensor([1.0, 3.0]))
    expected = (1 * math.log(1 + math.exp(1)) + 3 * math.log(1 + math.exp(-1))) / 4
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_dice_by_hand():
    scores = torch.tensor([0.8, 0.4, 0.2, 0.0]).reshape(1, 1, 2, 2)
    truth = torch.tensor([1, 1, 0, 0]).reshape(1, 1, 2, 2)
    expected = 1 - (2 * 1.2 + 1) / (1.4 + 2 + 1)
    assert soft_dice_loss(scores, truth, torch.ones(1, 2, 2, dtype=torch.bool)).item() == pytest.approx(expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_ignored_pixels_change_nothing(channels):
    torch.manual_seed(0)
    logits = torch.randn(2, channels, 8, 8)
    target = torch.randint(0, max(2, channels), (2, 8, 8))
    target[:, :4] = 255
    changed = logits.clone()
    changed[:, :, :4] = 50 * torch.randn(2, channels, 4, 8)
    assert segmentation_loss(logits, target).item() == pytest.approx(segmentation_loss(changed, target).item())
    alone = segmentation_loss(logits[:, :, 4:], target[:, 4:])
    assert segmentation_loss(logits, target).item() == pytest.approx(alone.item())


@pytest.mark.parametrize("channels", [1, 3])
def test_a_batch_without_labels_gives_zero_and_a_gradient(channels):
    logits = torch.randn(1, channels, 4, 4, requires_grad=True)
    loss = segmentation_loss(logits, torch.full((1, 4, 4), 255))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_a_perfect_prediction_costs_nothing():
    target = torch.tensor([[[0, 1], [1, 0]]])
    assert segmentation_loss(torch.where(target == 1, 40.0, -40.0)[:, None], target).item() == pytest.approx(
        0, abs=1e-6
    )


def test_a_class_that_does_not_occur_does_not_count_in_dice():
    target = torch.zeros(1, 4, 4, dtype=torch.long)
    logits = torch.stack([torch.full((4, 4), 40.0), torch.full((4, 4), -40.0), torch.full((4, 4), -40.0)])[None]
    assert segmentation_loss(logits, target).item() == pytest.approx(0, abs=1e-6)
