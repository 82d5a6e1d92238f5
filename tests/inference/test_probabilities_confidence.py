import numpy as np
import pytest

from overland.inference.probabilities import confidence_from_probabilities


def test_confidence_is_the_largest_probability_and_the_share_of_entropy():
    probabilities = np.array([[1, 0.25, 0.5], [0, 0.25, 0.5], [0, 0.25, 0], [0, 0.25, 0]], np.float32)[:, None]
    largest, entropy = confidence_from_probabilities(probabilities)
    np.testing.assert_allclose(largest[0], [1, 0.25, 0.5])
    np.testing.assert_allclose(entropy[0], [0, 1, 0.5], atol=1e-6)


@pytest.mark.parametrize(("score", "largest", "entropy"), [(0.0, 1, 0), (0.5, 0.5, 1), (0.9, 0.9, 0.468996)])
def test_one_score_is_that_of_two_classes(score, largest, entropy):
    found = confidence_from_probabilities(np.full((1, 1, 1), score, np.float32)).ravel()
    np.testing.assert_allclose(found, [largest, entropy], atol=1e-5)
