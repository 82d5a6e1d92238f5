import numpy as np
import pytest
from PIL import Image

from overland.legend import legend_from_names
from overland.metrics import ThresholdCurve, scores_from_confusion
from overland.reporting.figures import (
    class_figure,
    confusion_figure,
    format_count,
    threshold_figure,
    write_confusion_figure,
)

LAND = legend_from_names(["field", "forest", "water"])


def _texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_the_confusion_matrix_shows_fractions_of_its_rows_and_counts():
    texts = _texts(confusion_figure(np.array([[75, 25], [0, 2_000_000]]), ["a", "b"]))

    assert [text for text in texts if "%" in text] == ["75.0%", "25.0%", "100.0%"]
    assert {"75", "25", "2 M", "0"} <= set(texts)


def test_a_large_confusion_matrix_leaves_the_counts_out():
    texts = _texts(confusion_figure(np.eye(19, dtype=np.int64) * 7, [f"class {i}" for i in range(19)]))

    assert texts.count("100") == 19
    assert "7" not in texts


def test_the_confusion_matrix_is_written_whole(tmp_path):
    write_confusion_figure(np.diag([5, 5, 0]), LAND, tmp_path / "confusion_matrix.png")

    with Image.open(tmp_path / "confusion_matrix.png") as picture:
        assert min(picture.size) > 300
    assert len(list(tmp_path.iterdir())) == 1


def test_an_absent_class_is_said_to_be_absent():
    texts = _texts(class_figure(scores_from_confusion(np.diag([5, 5, 0]), LAND)["classes"]))

    assert texts == ["1.000", "1.000", "absent"]


def test_scores_from_json_may_be_null():
    assert _texts(class_figure({"road": dict.fromkeys(("iou", "precision", "recall"))})) == ["absent"]


def test_the_threshold_figure_names_the_used_and_the_best():
    curve = ThresholdCurve(bins=100)
    curve.add(np.array([0.1, 0.2, 0.81, 0.9]), np.array([0, 0, 1, 1]))
    labels = threshold_figure(curve, 0.3, "road").axes[0].get_legend_handles_labels()[1]

    assert "Used: 0.300" in labels
    assert "Best: IoU 1.000 at 0.500" in labels


@pytest.mark.parametrize(("count", "text"), [(812, "812"), (45_210, "45.2 k"), (3_100_000, "3.1 M"), (2e9, "2 G")])
def test_counts_are_short(count, text):
    assert format_count(count) == text


def test_the_figure_of_the_classes_may_show_their_outlines():
    classes = scores_from_confusion(np.diag([5, 5, 0]), LAND)["classes"]
    axes = class_figure(classes, {"field": 0.25, "forest": 0.5, "water": float("nan")}).axes[0]

    drawn = {line.get_label(): line.get_xdata() for line in axes.lines}
    assert np.asarray(drawn["Boundary IoU"])[:2].tolist() == [0.25, 0.5]
    assert "Boundary IoU" not in {line.get_label() for line in class_figure(classes).axes[0].lines}
