from __future__ import annotations

import json

import numpy as np
import onnx
import onnxruntime
import pytest

from models_made import ranking_bundle, threshold_bundle
from overland.bundle import load_bundle, manifest_seal
from overland.errors import DataError, UsageError
from overland.workflows.export import export
from scenes import write_image


@pytest.fixture
def model(tmp_path):
    return threshold_bundle(tmp_path / "model", bands=3, resolution_m=0.5, threshold=0.25).path


def files_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_onnx_is_what_the_suffix_says(model, tmp_path):
    output = tmp_path / "deep" / "road.onnx"
    values = export(model, output, tile_size=64)
    assert values.to_dict() == {
        "model": str(model),
        "output": str(output),
        "format": "onnx",
        "precision": "fp32",
        "bytes": output.stat().st_size,
        "tile_size": 64,
        "overlap_percent": 13,
        "threshold": 0.25,
        "resolution_cm": 50.0,
        "notes": [],
        "int8": None,
        "id": None,
        "smp_class": None,
    }
    assert onnxruntime.InferenceSession(output).get_inputs()[0].shape == ["batch", 3, 64, 64]
    assert files_in(output.parent) == ["road.onnx"]


def test_notes_say_what_is_left_to_do_by_hand(tmp_path):
    model = threshold_bundle(tmp_path / "model", bands=2, threshold=0.2678).path
    settings = json.loads((model / "overland.json").read_text()) | {"bands": [4, 1]}
    (model / "overland.json").write_text(json.dumps(settings | {"seal": manifest_seal(settings)}))
    notes = export(model, tmp_path / "road.onnx", tile_size=64).notes
    assert [note.split(":")[0] for note in notes] == [
        "The model does not know its resolution",
        "The model was trained on the bands 4, 1",
        "The tuned threshold 0.2678 became 0.27",
    ]


def test_several_classes_have_no_threshold(tmp_path):
    model = ranking_bundle(tmp_path / "model").path
    assert export(model, tmp_path / "land.onnx", tile_size=64).threshold is None


def test_stac_item_is_json_beside_which_the_model_lies(model, tmp_path):
    values = export(model, tmp_path / "item.json", format="stac")
    item = json.loads((tmp_path / "item.json").read_text())
    assert values.id == item["id"]
    assert item["assets"]["graph"]["href"] == "./model/model.onnx"


def test_bundle_is_a_copy(model, tmp_path):
    values = export(model, tmp_path / "copy")
    assert values.format == "bundle"
    assert values.bytes == sum(path.stat().st_size for path in model.iterdir())
    for path in model.iterdir():
        assert (tmp_path / "copy" / path.name).read_bytes() == path.read_bytes()


def test_hub_folder_of_another_network_says_so(model, tmp_path):
    pytest.importorskip("torch")
    values = export(model, tmp_path / "hub", format="hf")
    assert values.smp_class is None
    assert "made is no network of smp" in values.notes[0]
    assert load_bundle(tmp_path / "hub").threshold == 0.25


@pytest.mark.parametrize("name", ["road.onnx", "item.json", "copy"])
def test_what_exists_is_replaced_only_when_asked(model, tmp_path, name):
    options = {"format": "stac"} if name == "item.json" else {"tile_size": 64}
    export(model, tmp_path / name, **options)
    with pytest.raises(UsageError, match=f"{name} exists already. Add --overwrite"):
        export(model, tmp_path / name, **options)
    export(model, tmp_path / name, overwrite=True, **options)
    assert files_in(tmp_path) == sorted(["model", name])


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("a.onnx", {"format": "tflite"}, "no format 'tflite' to export to; choose one of onnx, stac, hf, bundle"),
        ("a.tif", {"format": "onnx"}, "a.tif is the name of no .onnx file"),
        ("a.onnx", {"format": "bundle"}, "--format bundle writes a folder"),
        ("a.onnx", {"precision": "int4"}, "no precision 'int4'"),
        ("a.onnx", {"precision": "int8"}, "no int8 graph yet. Name scenes like those to be mapped"),
        ("a.onnx", {"calibrate": ["scene.tif"]}, "add --precision int8"),
        ("a.json", {"format": "stac", "precision": "int8", "calibrate": ["x.tif"]}, "describes a model where it lies"),
        ("a.onnx", {"tile_size": 100}, "multiples of 8 pixels; got 100, try 96"),
        ("model/a.onnx", {}, "is the model itself, or in it"),
        ("model", {"overwrite": True}, "is the model itself, or in it"),
        ("taken", {"overwrite": True}, "holds something that is no model"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_written(model, tmp_path, name, options, message):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("mine")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(UsageError, match=message):
        export(model, tmp_path / name, **options)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    with pytest.raises(DataError, match="is not a model bundle"):
        export(tmp_path, tmp_path / "a.onnx")


def test_a_model_that_deepness_would_map_wrongly_is_refused(tmp_path):
    model = threshold_bundle(tmp_path / "model", dtype="float32").path
    with pytest.raises(DataError, match="Deepness reads layers of"):
        export(model, tmp_path / "new" / "a.onnx")
    assert files_in(tmp_path) == ["model"]


def test_a_damaged_model_is_not_copied(model, tmp_path):
    graph = (model / "model.onnx").read_bytes()
    (model / "model.onnx").write_bytes(graph[:-1] + b"x")
    with pytest.raises(DataError, match="not the file that was saved"):
        export(model, tmp_path / "copy")
    assert files_in(tmp_path) == ["model"]


@pytest.fixture
def scene(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 400, 400), dtype=np.uint8)
    return write_image(tmp_path / "scenes" / "scene.tif", pixels)


def test_eight_bits_are_written_with_what_they_cost(tmp_path, scene):
    model = threshold_bundle(tmp_path / "model", bands=3, mean=(128.0,) * 3, std=(64.0,) * 3, limit=0.0).path
    values = export(model, tmp_path / "small", precision="int8", calibrate=[scene], force=True)
    bundle = load_bundle(tmp_path / "small")
    assert values.int8 == bundle.int8
    assert 0 <= values.int8["agreement"] <= 1
    assert bundle.int8_path.is_file()
    assert load_bundle(model).int8 is None
    assert files_in(tmp_path) == ["model", "scenes", "small"]


def test_a_model_in_eight_bits_is_exported_in_them(tmp_path, scene):
    model = threshold_bundle(tmp_path / "model", bands=3, mean=(128.0,) * 3, std=(64.0,) * 3, limit=0.0).path
    export(model, tmp_path / "small", precision="int8", calibrate=[scene], force=True)
    for name, precision in (("8.onnx", "int8"), ("32.onnx", "fp32")):
        export(tmp_path / "small", tmp_path / name, precision=precision, tile_size=64)
    operators = {node.op_type for node in onnx.load(tmp_path / "8.onnx").graph.node}
    assert {"QuantizeLinear", "Sigmoid"} <= operators
    assert "QuantizeLinear" not in {node.op_type for node in onnx.load(tmp_path / "32.onnx").graph.node}
    export(tmp_path / "small", tmp_path / "item.json", format="stac", precision="int8")
    assert "graph-int8" in json.loads((tmp_path / "item.json").read_text())["assets"]
