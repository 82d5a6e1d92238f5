import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from models_made import made_bundle, ranking_bundle, threshold_bundle
from overland.errors import DataError, UsageError
from overland.legend import legend_from_names
from overland.raster import write_class_map
from overland.workflows.evaluate import evaluate
from scenes import ROAD_LEGEND, bright_roads, utm_grid, write_image, write_road_dataset


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_road_dataset(tmp_path_factory.mktemp("data"), train=1, val=3, side=64)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return threshold_bundle(tmp_path_factory.mktemp("model") / "bright", bands=3, data={"synthetic": True}).path


@pytest.fixture(scope="module")
def values(model, data, tmp_path_factory):
    return evaluate(model, data, output=tmp_path_factory.mktemp("evaluations") / "out")


@pytest.fixture
def without_figures(monkeypatch):
    # Drawing takes longer than everything else here together.
    monkeypatch.setattr("overland.workflows.evaluate.write_evaluation", lambda *_, **__: None)


def test_a_model_that_is_right_scores_1(values):
    assert values.headline["value"] == values.pooled["iou"] == values.per_image["iou"] == 1
    assert (values.headline["low"], values.headline["high"]) == (1, 1)
    assert values.images == 3
    assert values.synthetic is True
    assert np.sum(values.confusion) == 3 * 64 * 64


def test_the_folder_is_whole(values):
    folder = Path(values.output)

    assert {"metrics.json", "per_image.csv", "confusion_matrix.png", "threshold_curve.png", "pictures.jpg"} <= {
        path.name for path in folder.iterdir()
    }
    assert json.loads((folder / "metrics.json").read_text())["split"] == "val"
    assert [path.name for path in folder.parent.iterdir()] == ["out"]


def test_a_threshold_that_finds_nothing_scores_0_and_the_best_one_is_told(data, tmp_path, without_figures):
    # Road is 160 to 210 bright and background at most 90: scores of 0.15 to 0.45 and of at most 0.03.
    model = made_bundle(tmp_path / "dim", np.full((1, 3, 1, 1), 0.01), np.array([-6.5]), threshold=0.5).path
    values = evaluate(model, data, output=tmp_path / "out")

    assert values.pooled["iou"] == 0
    assert values.threshold == 0.5
    assert values.best_threshold["iou"] == 1
    best = values.best_threshold["threshold"]
    assert evaluate(model, data, threshold=best, output=tmp_path / "best").pooled["iou"] == 1


def test_pixels_without_a_label_are_left_out(model, data, tmp_path, without_figures):
    folder = shutil.copytree(data, tmp_path / "data")
    mask = np.full((64, 64), 255, np.uint8)
    mask[:8] = bright_roads(100, 64, 64)[1][:8]
    write_class_map(folder / "masks/val/val0.tif", mask, utm_grid(64, 64), ROAD_LEGEND, overwrite=True)

    assert np.sum(evaluate(model, folder, output=tmp_path / "out").confusion) == (2 * 64 + 8) * 64


def test_many_classes_are_scored_by_their_mean(tmp_path, without_figures):
    legend = legend_from_names(["forest", "water", "urban"])
    ids = np.random.default_rng(0).integers(0, 3, (32, 32)).astype(np.uint8)
    image = np.stack([np.where(ids == index, 200, 20) for index in range(3)]).astype(np.uint8)
    for split in ("train", "val"):
        write_image(tmp_path / "data/images" / split / f"{split}.tif", image)
        (tmp_path / "data/masks" / split).mkdir(parents=True)
        write_class_map(tmp_path / "data/masks" / split / f"{split}.tif", ids, utm_grid(32, 32), legend)
    (tmp_path / "data/data.yaml").write_text(
        "path: .\ntrain: images/train\nval: images/val\nmasks_dir: masks\nnames: [forest, water, urban]\n"
    )
    values = evaluate(ranking_bundle(tmp_path / "m").path, tmp_path / "data", output=tmp_path / "out")

    assert (values.headline["key"], values.headline["value"]) == ("miou", 1)
    assert math.isnan(values.headline["low"])
    assert values.threshold is None
    with pytest.raises(UsageError, match="threshold"):
        evaluate(tmp_path / "m", tmp_path / "data", threshold=0.5, output=tmp_path / "again")


def test_without_an_output_each_evaluation_gets_a_folder_of_its_own(
    model, data, tmp_path, monkeypatch, without_figures
):
    monkeypatch.chdir(tmp_path)
    folders = [evaluate(model, data).output for _ in range(2)]

    assert folders[0].startswith("evaluations/bright-")
    assert folders[1] == f"{folders[0]}2"


def test_other_classes_are_refused_and_both_are_shown(data, tmp_path):
    model = threshold_bundle(tmp_path / "m", bands=3, legend=legend_from_names(["background", "river"])).path

    with pytest.raises(DataError, match=r"background, river.*background, road"):
        evaluate(model, data, output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("settings", [{"dtype": "uint16"}, {"bands": (2, 3, 4)}])
def test_images_that_do_not_fit_say_what_the_model_was_trained_on(data, tmp_path, settings):
    model = made_bundle(tmp_path / "m", np.ones((1, 3, 1, 1)), np.zeros(1), **settings).path

    with pytest.raises(DataError, match=r"3 bands of uint8; the model was trained on bands \d, \d, \d of uint"):
        evaluate(model, data, output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_settings_that_make_no_sense_are_refused(model, data, tmp_path):
    with pytest.raises(UsageError, match="no split 'tset'.*train, val"):
        evaluate(model, data, split="tset", output=tmp_path / "out")
    with pytest.raises(UsageError, match=r"0\.\.1"):
        evaluate(model, data, threshold=50, output=tmp_path / "out")
    with pytest.raises(UsageError, match="engine"):
        evaluate(model, data, engine="steam", output=tmp_path / "out")
    with pytest.raises(DataError, match="not a model bundle"):
        evaluate(tmp_path / "none", data)


def test_an_output_is_not_replaced_unasked(model, data, tmp_path):
    (tmp_path / "mine").write_text("x")

    with pytest.raises(UsageError, match="--overwrite"):
        evaluate(model, data, output=tmp_path)
    assert (tmp_path / "mine").exists()


def test_more_scores_are_counted_when_asked_for(model, data, tmp_path, without_figures):
    values = evaluate(model, data, roads=True, boundary=2, patches=16, output=tmp_path / "out")

    assert values.roads["relaxed_break_even_3px"] == values.roads["cldice"] == 1
    assert values.boundary["iou"] == values.boundary["miou"] == 1
    assert values.patches["from_mask"]["f1"] == 1
    assert values.patches["from_mask"]["patches"] == 3 * 16
    # The mean over bands of a road pixel is 160 to 210, far above the limit: scores are 0 and 1.
    assert values.patches["from_probabilities"] == values.patches["from_mask"]
    with pytest.raises(UsageError, match="2%"):
        evaluate(model, data, boundary="wide", output=tmp_path / "never")


def test_a_run_folder_stands_for_its_best_model(model, data, tmp_path, monkeypatch, without_figures):
    shutil.copytree(model, tmp_path / "run/weights/best")
    monkeypatch.chdir(tmp_path)
    values = evaluate("run", data)

    assert values.model == "run/weights/best"
    assert values.output.startswith("evaluations/run-best-")


def _dataset_with_gaps(folder):
    """Three columns of 16 pixels: class a, class b, no label; the brightest of three bands would be a, b and void."""
    labels = np.repeat(np.array([0, 1, 255], np.uint8), 16)[None].repeat(16, axis=0)
    bright = np.array([[1, 0, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0], [0, 1, 0, 0, 1, 1]])
    image = np.repeat(200 * bright, 8, axis=1)[:, None].repeat(16, axis=1).astype(np.uint8)
    for split in ("train", "val"):
        write_image(folder / "images" / split / "i.tif", image)
        write_image(folder / "masks" / split / "i.tif", labels[None])
    (folder / "data.yaml").write_text(
        "path: .\ntrain: images/train\nval: images/val\nmasks_dir: masks\nnames: [a, b]\n"
    )
    return folder


def test_the_answer_void_is_wrong_and_no_class_of_the_mean(tmp_path, without_figures):
    model = ranking_bundle(tmp_path / "m", legend=legend_from_names(["a", "b", "void"])).path
    values = evaluate(model, _dataset_with_gaps(tmp_path / "data"), boundary=1, output=tmp_path / "out")

    # Half of a is called void, b is right, the pixels without a label are called void.
    assert values.confusion == [[128, 0, 128], [0, 256, 0], [0, 0, 0]]
    assert values.headline["value"] == values.pooled["miou_without_unknown"] == pytest.approx((0.5 + 1) / 2)
    assert values.pooled["pixel_accuracy"] == 0.75
    assert values.with_ignored == {
        "averaging": "pooled",
        "miou": pytest.approx((0.5 + 1 + 256 / 384) / 3),
        "pixel_accuracy": pytest.approx(640 / 768),
    }


def test_another_class_more_is_not_void(tmp_path):
    model = ranking_bundle(tmp_path / "m", legend=legend_from_names(["a", "b", "c"])).path

    with pytest.raises(DataError, match=r"a, b, c.*a, b\."):
        evaluate(model, _dataset_with_gaps(tmp_path / "data"), output=tmp_path / "out")
