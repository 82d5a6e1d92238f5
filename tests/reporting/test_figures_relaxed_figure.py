import numpy as np

from overland.metrics.curves import RelaxedCurve
from overland.reporting.figures import relaxed_figure


def _labels(truth):
    curve = RelaxedCurve(3, bins=4)
    curve.add(np.where(truth, 0.6, 0.0).astype(np.float32), truth)
    return relaxed_figure(curve, "road").axes[0].get_legend_handles_labels()[1]


def test_the_break_even_is_marked_where_there_is_one():
    truth = np.zeros((20, 20), bool)
    truth[10] = True

    assert _labels(truth) == ["Break-even 1.000 at threshold 0.500"]
    assert _labels(0 * truth > 0) == []
