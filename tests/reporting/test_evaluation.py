import csv
import json

import numpy as np

from overland.legend import legend_from_names
from overland.metrics import ThresholdCurve, image_scores, summary_from_confusions
from overland.reporting.evaluation import write_evaluation
from overland.reporting.pictures import PictureItem

ROADS = legend_from_names(["background", "road"])


def test_the_folder_holds_scores_rows_figures_and_pictures(tmp_path):
    confusions = [np.array([[90, 2], [3, 5]]), np.array([[100, 0], [0, 0]])]
    curve = ThresholdCurve()
    curve.add(np.array([0.1, 0.9]), np.array([0, 1]))
    values = summary_from_confusions(confusions, ROADS) | {"threshold": 0.5}
    rows = [{"image": f"i{index}", **image_scores(confusion, ROADS)} for index, confusion in enumerate(confusions)]
    item = PictureItem("one", np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint8))
    write_evaluation(tmp_path, values, rows, ROADS, curve=curve, items=[item])

    assert {path.name for path in tmp_path.iterdir()} == {
        "metrics.json",
        "per_image.csv",
        "confusion_matrix.png",
        "per_class.png",
        "threshold_curve.png",
        "pictures.jpg",
    }
    assert json.loads((tmp_path / "metrics.json").read_text())["pooled"]["iou"] == 0.5
    with (tmp_path / "per_image.csv").open() as file:
        read = list(csv.DictReader(file))
    assert [row["iou/road"] for row in read] == ["0.500000", ""]


def test_a_score_that_does_not_exist_is_null(tmp_path):
    values = summary_from_confusions([np.array([[9, 0], [0, 0]])], ROADS)
    write_evaluation(tmp_path, values, [{"image": "a"}], ROADS)
    text = (tmp_path / "metrics.json").read_text()

    assert "NaN" not in text
    assert json.loads(text)["pooled"]["iou"] is None
    assert not (tmp_path / "threshold_curve.png").exists()
