import numpy as np
import pytest

torch = pytest.importorskip("torch")

from overland.models import loss_from_terms


def certain(mask):
    return torch.tensor(np.where(mask, 200.0, -200.0), dtype=torch.float32)[None, None]


def cldice(prediction, truth, **options):
    loss = loss_from_terms({"cldice": options}, num_outputs=1)
    return loss(certain(prediction), torch.tensor(truth.astype(np.int64))[None]).item()


def road(rows, columns=slice(None), shape=(11, 20)):
    mask = np.zeros(shape, bool)
    mask[rows, columns] = True
    return mask


def test_the_same_road_costs_nothing():
    assert cldice(road(slice(4, 7)), road(slice(4, 7))) == pytest.approx(0, abs=1e-6)


def test_a_thinner_road_with_the_same_middle_costs_nothing_where_dice_does():
    assert cldice(road(5), road(slice(4, 7)), smooth=1e-6) == pytest.approx(0, abs=1e-6)


def test_a_road_of_one_pixel_half_found_by_hand():
    # A line of one pixel is its own skeleton. Half of 20 found: precision (10 + 1) / (10 + 1), sensitivity
    # (10 + 1) / (20 + 1), so 1 - 2 * 1 * (11/21) / (1 + 11/21) = 1 - 22/32.
    assert cldice(road(5, slice(0, 10)), road(5)) == pytest.approx(1 - 22 / 32, rel=1e-5)


def test_roads_that_do_not_touch_cost_everything():
    assert cldice(road(2), road(8), smooth=1e-6) == pytest.approx(1, abs=1e-5)


def numpy_skeleton(image, iterations):
    """Algorithm 1 of the paper, pixel by pixel; beyond the image there is nothing to compare with."""

    def pooled(image, offsets, choose):
        result = np.zeros_like(image)
        for row, col in np.ndindex(image.shape):
            places = [(row + down, col + right) for down, right in offsets]
            inside = [p for p in places if 0 <= p[0] < image.shape[0] and 0 <= p[1] < image.shape[1]]
            result[row, col] = choose(image[place] for place in inside)
        return result

    def eroded(image):
        return pooled(image, [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)], min)

    def opened(image):
        return pooled(eroded(image), [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)], max)

    skeleton = np.maximum(image - opened(image), 0)
    for _ in range(iterations):
        image = eroded(image)
        skeleton = skeleton + (1 - skeleton) * np.maximum(image - opened(image), 0)
    return skeleton


def test_scores_of_several_classes_are_the_paper_s_formula():
    rng = np.random.default_rng(0)
    logits, target = rng.normal(size=(1, 2, 9, 12)), rng.integers(0, 2, (9, 12))
    scores = (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))[0]
    losses = []
    for index in (0, 1):
        truth = (target == index).astype(float)
        found_line, true_line = numpy_skeleton(scores[index], 2), numpy_skeleton(truth, 2)
        precision = ((found_line * truth).sum() + 1) / (found_line.sum() + 1)
        sensitivity = ((true_line * scores[index]).sum() + 1) / (true_line.sum() + 1)
        losses.append(1 - 2 * precision * sensitivity / (precision + sensitivity))
    loss = loss_from_terms({"cldice": {"iterations": 2}}, num_outputs=2)(
        torch.tensor(logits), torch.tensor(target)[None]
    )
    assert loss.item() == pytest.approx(np.mean(losses), rel=1e-6)


def test_the_edge_of_the_labels_is_like_the_edge_of_the_image():
    torch.manual_seed(0)
    logits, target = torch.randn(1, 1, 12, 16), torch.randint(0, 2, (1, 12, 16))
    target[:, 6:] = 255
    loss = loss_from_terms({"cldice": 1}, num_outputs=1)
    assert loss(logits, target).item() == pytest.approx(loss(logits[:, :, :6], target[:, :6]).item(), rel=1e-6)
