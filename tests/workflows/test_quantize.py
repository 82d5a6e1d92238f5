import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from models_made import mean_bundle, threshold_bundle
from overland.bundle import load_bundle, save_bundle
from overland.errors import DataError, UsageError
from overland.exporters.quantize import AgreementReport
from overland.inference import open_engine
from overland.workflows import quantize as workflow
from overland.workflows.quantize import quantize
from scenes import write_image, write_road_dataset


@pytest.fixture(scope="module")
def roads(tmp_path_factory):
    return write_road_dataset(tmp_path_factory.mktemp("roads"), train=2, val=2, side=96)


@pytest.fixture(scope="module")
def scenes(roads):
    return sorted((roads / "images" / "train").iterdir())


@pytest.fixture
def bundle(tmp_path):
    # Background is at most 90, roads at least 160: eight bits tell them apart.
    return threshold_bundle(tmp_path / "model", bands=3, chip_size=32, bytes_per_pixel=100.0)


def test_labels_tell_what_eight_bits_cost(bundle, scenes, roads, tmp_path):
    report = quantize(bundle.path, scenes, tmp_path / "int8", data=roads)
    saved = load_bundle(tmp_path / "int8")
    assert saved.int8 == report.report()
    assert report.agreements["onnx"] == report.agreement == 1
    assert (report.iou_fp32, report.iou_change_points) == (1, 0)
    assert report.iou_from == f"labels of {roads.name}, val"
    assert (report.images, report.pixels) == (2, 2 * 96 * 96)
    assert "Quantised to int8, 100.00% of the labels are those of fp32" in (saved.path / "README.md").read_text()
    chip = np.random.default_rng(0).uniform(50, 200, (1, 3, 32, 32)).astype(np.float32)
    found, expected = (open_engine(saved, "onnx", precision=p).run(chip) for p in ("int8", "fp32"))
    assert 0 < np.abs(found - expected).max() < 8


def test_without_labels_held_out_windows_are_compared(bundle, scenes, tmp_path):
    report = quantize(bundle.path, scenes, tmp_path / "int8")
    assert report.iou_from == "fp32 probabilities of held-out windows"
    assert (report.calibration_windows, report.images) == (12, 6)
    assert report.agreement == 1
    assert load_bundle(tmp_path / "int8").bytes_per_pixel == 100.0


@pytest.fixture
def dark(tmp_path):
    # Nothing like the roads, whose brightness then does not fit into the eight bits.
    image = np.random.default_rng(0).integers(0, 50, (3, 96, 96), dtype=np.uint8)
    return [write_image(tmp_path / "dark.tif", image)]


def test_a_loss_is_refused_and_nothing_is_written(bundle, dark, roads, tmp_path):
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(DataError, match=r"may differ .* by 0.2 points; .* --force") as error:
        quantize(bundle.path, dark, tmp_path / "int8", data=roads)
    assert error.value.exit_code == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_loss_is_written_when_forced(bundle, dark, roads, tmp_path):
    report = quantize(bundle.path, dark, tmp_path / "int8", data=roads, force=True)
    assert report.iou_change_points == -100
    assert load_bundle(tmp_path / "int8").int8["iou_change_points"] == report.iou_change_points


def found(change, agreement=1.0):
    return AgreementReport(1, 100, agreement, 0.0, 0.0, 1.0, 1.0, change, {}, {})


def test_the_ends_stay_in_fp32_where_that_helps(bundle, scenes, tmp_path, monkeypatch):
    tried = []

    def attempt(bundle, calibration, images, *, keep, is_measured):
        tried.append(keep)
        return b"graph", workflow._Attempt(keep, "onnx", {"onnx": 0.99}, found(-0.1 if keep else -0.3, 0.99))

    monkeypatch.setattr(workflow, "_attempt", attempt)
    monkeypatch.setattr(workflow, "end_layers", lambda graph: ("first", "last"))
    report = quantize(bundle.path, scenes, tmp_path / "int8")
    assert tried == [(), ("first", "last")]
    assert report.layers_in_fp32 == ("first", "last")


def test_the_engine_that_does_worst_counts(bundle, scenes, tmp_path, monkeypatch):
    changes = {"onnx": (-0.01, 0.999), "openvino": (-0.5, 0.98)}

    def compare(*arguments):
        return {name: found(*values) for name, values in changes.items()}

    monkeypatch.setattr(workflow, "compare", compare)
    with pytest.raises(
        DataError, match=r"with the engine openvino, it changes by -0.50 points, and 98.00% of the labels"
    ):
        quantize(bundle.path, scenes, tmp_path / "int8")
    report = quantize(bundle.path, scenes, tmp_path / "int8", force=True)
    assert (report.engine, report.agreements) == ("openvino", {"onnx": 0.999, "openvino": 0.98})


def test_a_gain_on_labels_is_no_loss_but_an_estimated_one_is_a_difference():
    assert workflow._loss_points(found(0.5), is_measured=True) == 0
    assert workflow._loss_points(found(0.5), is_measured=False) == 0.5
    assert workflow._loss_points(found(None), is_measured=True) == float("inf")


def test_a_model_that_was_not_measured_gets_measured(tmp_path, scenes):
    old = mean_bundle(tmp_path / "old", side=17, limit=90, chip_size=64, size_divisor=1, halo=1)
    grey = [write_image(tmp_path / f"{number}.tif", _grey(number)) for number in range(2)]
    quantize(old.path, grey, tmp_path / "int8", force=True)
    saved = load_bundle(tmp_path / "int8")
    assert saved.halo == 8
    assert saved.bytes_per_pixel is None or saved.bytes_per_pixel >= 0


def _grey(seed):
    return np.random.default_rng(seed).integers(0, 181, (1, 160, 160), dtype=np.uint8)


def test_what_cannot_be_calibrated_on_is_said(bundle, scenes, tmp_path):
    small = write_image(tmp_path / "small.tif", np.zeros((3, 20, 20), np.uint8))
    other = write_image(tmp_path / "other.tif", np.zeros((3, 90, 90), np.uint16))
    for sources, kind, message in (
        ([], UsageError, "name at least one"),
        ([small], DataError, "have 1 windows of 32 x 32"),
        ([other], DataError, "of uint16"),
    ):
        with pytest.raises(kind, match=message):
            quantize(bundle.path, sources, tmp_path / "int8")


def test_an_output_that_exists_is_kept_unless_overwritten(bundle, scenes, tmp_path):
    output = tmp_path / "int8"
    quantize(bundle.path, scenes, output)
    with pytest.raises(UsageError, match="Add --overwrite"):
        quantize(bundle.path, scenes, output)
    quantize(bundle.path, scenes, output, overwrite=True)
    for place, message in ((bundle.path, "is the model itself"), (scenes[0].parent, "no model")):
        with pytest.raises(UsageError, match=message):
            quantize(bundle.path, scenes, place, overwrite=True)


def test_other_weights_lose_the_eight_bit_graph(bundle, scenes, tmp_path):
    quantize(bundle.path, scenes, tmp_path / "int8")
    saved = load_bundle(tmp_path / "int8")
    with pytest.raises(UsageError, match="both or neither"):
        save_bundle(saved, tmp_path / "other", weights={}, graph=b"", card="")


def few_images(data, folder, count):
    """A copy of a dataset with the first images of each split."""
    for image in [*sorted(data.glob("images/train/*"))[:count], *sorted(data.glob("images/val/*"))[: count // 2]]:
        mask = next((data / "masks" / image.parent.name).glob(f"{image.stem}.*"))
        for path in (image, mask):
            target = folder / path.relative_to(data)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    shutil.copy(data / "data.yaml", folder)
    return folder


@pytest.mark.real
def test_a_model_of_real_roads_holds(tmp_path):
    pytest.importorskip("torch")
    folder = os.environ.get("OVERLAND_DATA")
    if not folder or not (Path(folder) / "roads-massachusetts").is_dir():
        pytest.skip("OVERLAND_DATA names no folder with roads-massachusetts")
    from overland.workflows.train import train

    data = few_images(Path(folder) / "roads-massachusetts", tmp_path / "few", 24)
    model = {"architecture": "PlainUnet", "width": 8, "depth": 3, "stem_stride": 2}
    run = train(data, project=str(tmp_path), name="roads", model=model, epochs=6, batch=4, imgsz=128, seed=0)
    scenes = sorted((data / "images" / "train").iterdir())
    report = quantize(run.model, scenes, tmp_path / "int8", data=data)
    assert report.iou_change_points > -0.2
    assert report.agreement > 0.98
