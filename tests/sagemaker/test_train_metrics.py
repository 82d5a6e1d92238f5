import re
from pathlib import Path

import pytest

pytest.importorskip("torch")

from overland.sagemaker.train import MetricLines, print_metrics_of

# How the built-in algorithm's metric definitions look: one group for the value.
MIOU = r"#quality_metric\. host: \S+, epoch: \d+, validation mIOU: (\S+) \."


def write_rows(path: Path, *rows: dict[str, float]) -> None:
    lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
    path.write_text("\n".join(lines) + "\n")


def test_a_line_has_the_form_of_the_built_in_algorithm():
    said: list[str] = []
    MetricLines("algo-1", said.append).row({"epoch": 3, "val/miou": 0.51239})
    assert re.fullmatch(r"\[\d\d/\d\d/\d{4} \d\d:\d\d:\d\d INFO \d+\] #quality_metric\. host: .*", said[0])
    assert "host: algo-1, epoch: 2, " in said[0]
    assert [float(value) for value in re.findall(MIOU, said[0])] == [0.51239]


def test_every_score_has_its_name_and_one_that_does_not_exist_has_no_line():
    said: list[str] = []
    row = {"epoch": 1, "train/loss": 1.5, "val/loss": 1.2, "val/iou": 0.4, "val/pixel_accuracy": 0.9}
    MetricLines("algo-1", said.append).row({**row, "val/miou": float("nan"), "lr": 0.1})
    names = [line.split(", ")[2].split(":")[0] for line in said]
    assert names == ["train loss", "validation loss", "validation IOU", "validation pixel_accuracy"]


def test_the_model_s_own_scores_come_last():
    said: list[str] = []
    MetricLines("algo-1", said.append).final({"pixel_accuracy": 0.97, "miou": 0.8})
    assert "epoch: 0, validation pixel_accuracy: 0.97 ." in said[0]
    assert re.search(MIOU, said[1])[1] == "0.8"


def test_rows_are_said_once_and_those_of_an_earlier_attempt_never(tmp_path: Path):
    results, said = tmp_path / "results.csv", []
    write_rows(results, {"epoch": 1, "val/miou": 0.1})
    with print_metrics_of(results, MetricLines("algo-1", said.append)):
        write_rows(results, {"epoch": 1, "val/miou": 0.1}, {"epoch": 2, "val/miou": 0.2})
    assert ["epoch: 1, validation mIOU: 0.2" in line for line in said] == [True]
    with print_metrics_of(tmp_path / "none.csv", MetricLines("algo-1", said.append)):
        pass
    assert len(said) == 1
