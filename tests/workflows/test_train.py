import dataclasses
import inspect
import json
import shutil
import subprocess
import sys
import typing
from pathlib import Path

import click
import numpy as np
import pytest
import yaml

from scenes import ROAD_LEGEND, utm_grid, write_road_dataset

pytest.importorskip("torch")

import overland
from overland.bundle import load_bundle
from overland.cli.declared import read_function
from overland.cli.train import command
from overland.errors import DataError, UsageError
from overland.raster import open_scene, write_class_map
from overland.training.settings import TrainSettings
from overland.workflows import train as train_module
from overland.workflows.train import train

SETTINGS = {"model": {"width": 8, "depth": 2}, "epochs": 2, "batch": 4, "imgsz": 32, "lr": 0.01}


@pytest.fixture(scope="module")
def roads(tmp_path_factory):
    return write_road_dataset(tmp_path_factory.mktemp("roads"))


@pytest.fixture(scope="module")
def run(roads, tmp_path_factory):
    return train(roads, project=str(tmp_path_factory.mktemp("runs")), name="roads", **SETTINGS)


def test_the_run_folder_has_what_conventions_ask_for(run):
    folder = Path(run.run)
    for name in (
        "args.yaml",
        "splits.csv",
        "results.csv",
        "results.png",
        "confusion_matrix.png",
        "val_batch0_pred.jpg",
        "weights/best/model.safetensors",
        "weights/last/overland.json",
        "weights/last.ckpt",
    ):
        assert (folder / name).is_file(), name
    assert yaml.safe_load((folder / "args.yaml").read_text())["epochs"] == 2
    assert not list(folder.rglob("*.part"))


def test_the_bundle_carries_everything(run):
    bundle = load_bundle(run.model)
    assert bundle.legend.names == ("background", "road")
    assert (bundle.activation, bundle.in_channels, bundle.dtype, bundle.resolution_m) == ("sigmoid", 3, "uint8", 1.0)
    assert bundle.threshold == run.threshold
    assert bundle.training["lr"] == 0.01
    assert bundle.data["images"] == {"train": 4, "val": 2}
    assert bundle.metrics["val"]["headline"]["value"] == run.val.headline["value"]
    assert not bundle.data["synthetic"]
    assert bundle.halo in range(0, 13, 4)
    assert bundle.bytes_per_pixel is None or 8 * 4 <= bundle.bytes_per_pixel < 2000
    last = load_bundle(Path(run.run) / "weights" / "last")
    assert (last.halo, last.bytes_per_pixel) == (bundle.halo, bundle.bytes_per_pixel)


def test_the_model_learned_and_says_so(run):
    assert run.val.headline["value"] > 0.7
    assert run.val.headline["key"] == "iou"
    json.dumps(run.to_dict())


def test_the_trained_model_predicts_through_the_public_api(run, roads, tmp_path):
    model = overland.load_model(run.model)
    model.predict(roads / "images" / "val" / "val0.tif", tmp_path / "mask.tif")
    with open_scene(tmp_path / "mask.tif") as mask, open_scene(roads / "masks" / "val" / "val0.tif") as truth:
        assert mask.grid == truth.grid
        assert (mask.read()[0] == truth.read()[0]).mean() > 0.9


def test_a_bundle_alone_gives_the_same_mask_in_an_empty_process_without_torch(run, roads, tmp_path):
    scene = (roads / "images" / "val" / "val0.tif").resolve()
    overland.predict(run.model, scene, tmp_path / "here.tif")
    shutil.copytree(run.model, tmp_path / "elsewhere" / "model")
    code = (
        "import sys; sys.modules['torch'] = None; import overland;"
        f"overland.load_model('model').predict({str(scene)!r}, 'there.tif')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "elsewhere", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "here.tif").read_bytes() == (tmp_path / "elsewhere" / "there.tif").read_bytes()


def test_onnx_and_torch_decide_alike(run, roads, tmp_path):
    masks = []
    for engine in ("onnx", "torch"):
        overland.predict(run.model, roads / "images" / "val" / "val0.tif", tmp_path / f"{engine}.tif", engine=engine)
        with open_scene(tmp_path / f"{engine}.tif") as mask:
            masks.append(mask.read()[0])
    assert (masks[0] != masks[1]).mean() < 1e-4


def test_a_second_run_gets_a_number(run, roads):
    first = Path(run.run)
    second = train(roads, project=str(first.parent), name="roads", **(SETTINGS | {"epochs": 1}))
    assert second.run == f"{first}2"


def test_resume_takes_nothing_beside(run, roads):
    with pytest.raises(UsageError, match="give it alone"):
        train(roads, resume=run.run)


def test_resume_wants_a_run(tmp_path):
    with pytest.raises(DataError, match=r"no args\.yaml"):
        train(resume=tmp_path)


def test_data_must_be_named():
    with pytest.raises(UsageError, match="--data"):
        train()


def test_a_class_that_does_not_occur_is_said_first(roads, tmp_path, caplog):
    (tmp_path / "data.yaml").write_text(
        f"path: {roads}\ntrain: images/train\nval: images/val\nnames: {{0: background, 1: road, 2: rail}}\n"
    )
    caplog.set_level("WARNING", "overland")
    train(tmp_path / "data.yaml", project=str(tmp_path), **(SETTINGS | {"epochs": 1}))
    assert any("no pixel of rail" in record.getMessage() for record in caplog.records)


def test_masks_with_one_class_only_are_refused(tmp_path):

    folder = write_road_dataset(tmp_path / "empty")
    for mask in (folder / "masks" / "train").glob("*.tif"):
        write_class_map(mask, np.zeros((96, 96), np.uint8), utm_grid(96, 96), ROAD_LEGEND, overwrite=True)
    with pytest.raises(DataError, match="only background, so there is nothing to learn"):
        train(folder, project=str(tmp_path), **SETTINGS)


def test_a_folder_that_holds_something_else_is_no_place_for_a_run(roads):
    before = sorted(path for path in roads.rglob("*") if path.is_file())
    with pytest.raises(UsageError, match="masks holds something that is no run"):
        train(roads, project=str(roads), name="masks", exist_ok=True, **SETTINGS)
    assert sorted(path for path in roads.rglob("*") if path.is_file()) == before


def test_the_fault_of_a_class_for_ignored_pixels_is_trained_but_scored_without_it(tmp_path):
    data = write_road_dataset(tmp_path / "set")
    for mask in data.rglob("masks/**/*.tif"):
        with open_scene(mask) as scene:
            ids, _ = scene.read()
            grid = scene.grid
        ids[0, :20] = 255
        write_class_map(mask, ids[0], grid, ROAD_LEGEND, overwrite=True)
    trained = train(
        data, project=str(tmp_path / "runs"), reproduce={"ignored_as_class": True}, **SETTINGS | {"epochs": 1}
    )
    bundle = load_bundle(trained.model)
    assert bundle.legend.names == ("background", "road", "ignored")
    assert bundle.num_outputs == 3
    pooled = trained.val.pooled
    assert trained.val.headline["key"] == "miou_without_unknown"
    assert pooled["miou_without_unknown"] == pytest.approx(
        np.mean([pooled["classes"][name]["iou"] for name in ("background", "road")])
    )


def test_two_outputs_may_decide_between_two_classes(roads, tmp_path):
    trained = train(roads, project=str(tmp_path), **SETTINGS | {"model": {"width": 4, "depth": 2, "classes": 2}})
    bundle = load_bundle(trained.model)
    assert (bundle.activation, bundle.num_outputs, trained.threshold) == ("softmax", 2, None)


def test_a_number_of_classes_that_is_not_the_datas_is_refused(roads, tmp_path):
    with pytest.raises(UsageError, match="The model has 5 classes and"):
        train(roads, project=str(tmp_path), **SETTINGS | {"model": {"width": 4, "classes": 5}})


def test_validation_images_without_any_road_are_no_reason_to_lose_the_model(tmp_path, monkeypatch):
    data = write_road_dataset(tmp_path / "set")
    for mask in data.rglob("masks/val/*.tif"):
        with open_scene(mask) as scene:
            grid = scene.grid
        write_class_map(mask, np.zeros((grid.height, grid.width), np.uint8), grid, ROAD_LEGEND, overwrite=True)
    # A model that is sure of nothing finds no road either.
    monkeypatch.setattr("overland.workflows.evaluate._threshold", lambda bundle, threshold: 1.0)
    trained = train(data, project=str(tmp_path / "runs"), **SETTINGS | {"epochs": 1})
    assert np.isnan(trained.val.pooled["classes"]["road"]["iou"])
    assert load_bundle(trained.model).graph_path.is_file()


def test_every_setting_is_a_typed_documented_keyword_of_train():
    settings = inspect.signature(TrainSettings).parameters
    keywords = list(inspect.signature(train).parameters.values())
    first = next(index for index, keyword in enumerate(keywords) if keyword.name == "model")
    assert [keyword.name for keyword in keywords[first:]] == list(settings)
    described = read_function("overland.workflows.train:train").parameters
    hints, own = typing.get_type_hints(TrainSettings), {"model", "loss", "metrics", "augment", "reproduce"}
    for keyword in keywords[first:]:
        # None is the recipe's value, which wins over the default of the settings.
        assert (keyword.kind, keyword.default) == (inspect.Parameter.KEYWORD_ONLY, None)
        assert described[keyword.name].help.endswith(".")
        if keyword.name not in own:
            assert eval(keyword.annotation, vars(train_module)) == hints[keyword.name] | None


def test_the_command_line_shows_the_defaults_of_the_settings():
    options = {option.name: option for option in command.params}
    for setting in dataclasses.fields(TrainSettings):
        if setting.name == "reproduce":
            assert setting.name not in options
        elif isinstance(setting.default, int | float | str) and not isinstance(setting.default, bool):
            record = options[setting.name].get_help_record(click.Context(command))
            assert f"[default: {setting.default}]" in record[1]
