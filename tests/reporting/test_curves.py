import numpy as np
import pytest

from overland.errors import DataError
from overland.reporting.curves import dice_figure, read_results, training_figure, write_training_figures

HEAD = "epoch,time_s,lr,train/loss,val/loss,val/iou,val/miou,val/iou/background,val/iou/road\n"


def _write(path, rows):
    path.write_text(HEAD + "".join(f"{row}\n" for row in rows))
    return path


def test_columns_are_numbers_and_an_empty_cell_is_nan(tmp_path):
    results = read_results(_write(tmp_path / "results.csv", ["1,3.2,0.1,1,0.9,,0.5,0.9,nan"]))

    assert results["lr"].tolist() == [0.1]
    assert np.isnan(results["val/iou"][0])
    assert np.isnan(results["val/iou/road"][0])


def test_three_figures_are_written(tmp_path):
    _write(tmp_path / "results.csv", ["1,3,.1,1,.9,.2,.5,.9,.2", "2,6,.05,.8,.8,.3,.6,.9,.3"])
    written = write_training_figures(tmp_path)

    assert [path.name for path in written] == ["results.png", "iou_score_plot.png", "dice_loss_plot.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)


def test_the_best_epoch_is_marked(tmp_path):
    rows = [f"{epoch},1,.1,1,1,{iou},.5,.9,{iou}" for epoch, iou in enumerate((0.2, 0.4, 0.3), 1)]
    figure = training_figure(read_results(_write(tmp_path / "results.csv", rows)))
    labels = [label for axes in figure.axes for label in axes.get_legend_handles_labels()[1]]

    assert "Best: 0.400, epoch 2" in labels
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Loss", "Validation IoU, pooled", "Learning rate"]


def test_many_classes_get_a_panel_of_their_own():
    results = {"epoch": np.array([1.0, 2]), "lr": np.array([1.0, 0]), "val/miou": np.array([0.1, 0.2])}
    results |= {f"val/iou/class {index}": np.array([0.1, 0.2]) for index in range(12)}
    figure = training_figure(results)

    assert len(figure.axes) == 4
    assert len(figure.axes[3].lines) == 12


@pytest.mark.parametrize(
    ("text", "message"), [("", "no epochs"), (HEAD, "no epochs"), (HEAD + "1,x,1,1,1,1,1,1,1\n", "numbers")]
)
def test_a_file_without_numbers_is_named(tmp_path, text, message):
    (tmp_path / "results.csv").write_text(text)

    with pytest.raises(DataError, match=rf"results\.csv.*{message}"):
        read_results(tmp_path / "results.csv")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        write_training_figures(tmp_path)


def _labels_of(path, head, row):
    path.write_text(f"epoch,lr,{head}\n1,.1,{row}\n2,.1,{row}\n")
    axes = dice_figure(read_results(path)).axes[0]
    return axes.get_title(loc="left"), axes.get_legend_handles_labels()[1]


def test_the_dice_plot_shows_the_dice_loss_where_it_was_written(tmp_path):
    path = tmp_path / "results.csv"

    assert _labels_of(path, "train/loss,train/dice_loss,val/dice_loss", "2,.5,.6") == (
        "Dice loss",
        ["Training", "Validation"],
    )
    assert _labels_of(path, "train/loss,val/loss,val/dice", "2,2.1,.6") == (
        "Loss",
        ["Validation, 1 - Dice", "Training", "Validation"],
    )
    assert _labels_of(path, "train/loss,val/loss", "2,2.1") == ("Loss", ["Training", "Validation"])
