import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from overland.models import loss_from_terms


def lovasz(logits, target):
    return loss_from_terms({"lovasz": 1}, num_outputs=logits.shape[1])(logits, target).item()


def test_hinge_by_hand():
    # Margins 1 - s f: road at 0.5 -> 0.5, road at -1 -> 2, background at 0 -> 1, background at -3 -> 0.
    # From the largest: 2 (road), 1 (not), 0.5 (road), 0 (not). The Jaccard loss when the first 1, 2, 3, 4 are wrong:
    # 1 - 1/2, 1 - 1/3, 1 - 0/3, 1 - 0/4; so steps 1/2, 1/6, 1/3, 0 and 2/2 + 1/6 + 0.5/3 = 4/3.
    logits = torch.tensor([0.5, -1.0, 0.0, -3.0]).reshape(1, 1, 2, 2)
    assert lovasz(logits, torch.tensor([[[1, 1], [0, 0]]])) == pytest.approx(4 / 3, rel=1e-5)


def test_softmax_by_hand():
    # Scores of class 0: 0.9 0.3 0.4, truth 0 0 1, so errors 0.1, 0.7, 0.4 and, of two classes, the same for class 1.
    # Class 0, sorted 0.7 (is 0), 0.4 (not), 0.1 (is): losses 1/2, 2/3, 1; steps 1/2, 1/6, 1/3: 0.35 + 0.4/6 + 0.1/3.
    # Class 1, sorted 0.7 (not 1), 0.4 (is), 0.1 (not): losses 1 - 1/2, 1 - 0/2, 1; steps 1/2, 1/2, 0: 0.35 + 0.2.
    scores = torch.tensor([[0.9, 0.3, 0.4], [0.1, 0.7, 0.6]]).reshape(1, 2, 1, 3)
    expected = ((0.35 + 0.4 / 6 + 0.1 / 3) + 0.55) / 2
    assert lovasz(torch.log(scores), torch.tensor([[[0, 0, 1]]])) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("wrong", list(itertools.product([False, True], repeat=5)))
def test_at_certain_predictions_the_loss_is_one_minus_iou(wrong):
    # The extension equals the set function at its corners: what "extension" means.
    target, wrong = np.array([1, 1, 0, 0, 1]), np.array(wrong)
    mask = np.where(wrong, 1 - target, target)
    ious = [((mask == c) & (target == c)).sum() / ((mask == c) | (target == c)).sum() for c in (0, 1)]
    logits = torch.tensor(np.where(np.stack([mask == 0, mask == 1]), 200.0, -200.0)).reshape(1, 2, 1, 5)
    assert lovasz(logits, torch.tensor(target).reshape(1, 1, 5)) == pytest.approx(1 - np.mean(ious), abs=1e-6)


def test_a_class_that_does_not_occur_does_not_count():
    # Class 2 gets the score that class 0 loses; with it in the mean the loss would be half as large again.
    logits = torch.log(torch.tensor([0.6, 1e-9, 0.4]).reshape(1, 3, 1, 1).expand(1, 3, 2, 2))
    assert lovasz(logits, torch.zeros(1, 2, 2, dtype=torch.long)) == pytest.approx(0.4, rel=1e-5)
