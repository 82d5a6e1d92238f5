import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio

from models_made import threshold_bundle
from overland import pretrained
from overland.bundle import load_bundle
from overland.errors import DataError
from overland.workflows.evaluate_map import evaluate_map
from overland.workflows.list_models import list_models
from overland.workflows.predict import predict
from scenes import utm_grid, write_image

LARGEST_BYTES = 12_000_000


def roads():
    return pretrained.pretrained_models()["roads"]


def test_there_is_a_road_model_that_tells_all_about_itself():
    values = list_models().to_dict()
    assert json.loads(json.dumps(values)) == values
    model = next(model for model in values["models"] if model["name"] == "roads")
    assert model["classes"] == ["background", "road"]
    assert (model["bands"], model["dtype"]) == ([1, 2, 3], "uint8")
    assert (model["resolution_m"], tuple(model["resolution_range_m"])) == (1.0, (0.5, 2.0))
    assert model["figure"]["class"] == "road"
    assert model["figure"]["value"] >= 0.45
    assert "MassGIS" in model["attribution"]
    assert "OpenStreetMap" in model["attribution"]


def test_each_pretrained_model_fits_into_twelve_megabytes():
    assert max(model.bytes for model in list_models().models) <= LARGEST_BYTES


@pytest.mark.parametrize("name", pretrained.pretrained_models())
def test_a_card_has_figures_limits_and_terms_and_no_folder_of_the_machine_that_made_it(name):
    folder = pretrained.pretrained_models()[name]
    texts = [(folder / file).read_text() for file in ("README.md", "overland.json", "config.json")]
    assert all(word in texts[0] for word in ("IoU", "commit", "not good at", "ODbL"))
    assert not any(word in text for text in texts for word in ("/tmp", "/work", "/home", "/root"))


def test_a_name_is_taken_where_a_bundle_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_bundle("roads").path == roads()
    # A folder of that name that is no model does not hide it; a model or a run does.
    (tmp_path / "roads").mkdir()
    assert load_bundle("roads").path == roads()
    threshold_bundle(tmp_path / "roads" / "weights" / "best")
    assert load_bundle("roads").path == Path("roads/weights/best")
    threshold_bundle(tmp_path / "roads")
    assert load_bundle("roads").path == Path("roads")


def test_a_name_that_is_not_there_is_told_what_is(tmp_path):
    with pytest.raises(DataError, match=r"does not exist.*pretrained there is .*roads"):
        load_bundle("rodes")
    with pytest.raises(DataError, match="does not exist"):
        load_bundle(tmp_path / "roads")


@pytest.mark.parametrize("metres", [0.6, 1.0, 1.8])
def test_the_road_model_maps_a_scene_with_nothing_but_itself(tmp_path, monkeypatch, metres):
    monkeypatch.setattr(socket, "socket", None)
    image = np.random.default_rng(0).integers(60, 90, (3, 150, 130), dtype=np.uint8)
    scene = write_image(tmp_path / "s.tif", image, utm_grid(150, 130, metres))
    values = predict("roads", scene, tmp_path / "roads.tif", engine="onnx")
    with rasterio.open(tmp_path / "roads.tif") as dataset:
        assert dataset.shape == (150, 130)
        assert set(np.unique(dataset.read(1))) <= {0, 1}
    assert (values.scenes[0].resampled_to is None) == (metres == 1.0)


def test_the_base_install_runs_it(tmp_path):
    scene = write_image(tmp_path / "s.tif", np.full((3, 64, 64), 90, np.uint8), utm_grid(64, 64))
    forbidden = ("torch", "onnx", "safetensors", "openvino", "cv2")
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({forbidden}, None)); "
        f"from overland.workflows.predict import predict; predict('roads', {str(scene)!r}, {str(tmp_path / 'o.tif')!r})"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=tmp_path)
    assert (tmp_path / "o.tif").is_file()


@pytest.mark.real
def test_the_figure_of_the_card_is_made_again(tmp_path):
    if "OVERLAND_DATA" not in os.environ:
        pytest.skip("OVERLAND_DATA names no folder of real imagery")
    folder = Path(os.environ["OVERLAND_DATA"]) / "rasters" / "massachusetts"
    confusion = np.zeros((2, 2), np.int64)
    for labels in sorted(folder.glob("*_labels.tif")):
        scene = labels.with_name(labels.name.replace("_labels", ""))
        predict("roads", scene, tmp_path / scene.name)
        confusion += np.array(evaluate_map(tmp_path / scene.name, labels, output=tmp_path / scene.stem).confusion)
    iou = confusion[1, 1] / (confusion.sum() - confusion[0, 0])
    assert iou == pytest.approx(load_bundle("roads").metrics["test"]["headline"]["value"], abs=1e-3)
    assert iou >= 0.45


def test_the_model_that_travels_tells_its_figures_at_home_and_away():
    model = next(model for model in list_models().models if model.name == "roads-travel")
    assert (model.resolution_m, tuple(model.resolution_range_m)) == (0.5, (0.25, 2.0))
    assert model.figure["value"] >= 0.38
    sets = load_bundle("roads-travel").metrics["test"]["sets"]
    assert sets["roads-cil"]["iou"] > 0.4
    assert "MassGIS" in model.attribution


def test_the_building_model_says_what_it_is_for():
    model = next(model for model in list_models().models if model.name == "buildings-drone")
    assert tuple(model.classes) == ("background", "building")
    assert tuple(model.resolution_range_m) == (0.07, 0.2)
    assert model.figure["value"] >= 0.7
    assert "OpenAerialMap" in model.attribution
