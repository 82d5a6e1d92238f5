from __future__ import annotations

import copy
import hashlib
import json
import os
from pathlib import Path

import pytest

from models_made import ranking_bundle, threshold_bundle
from overland.exporters.stac import stac_item
from overland.legend import legend_from_names

jsonschema = pytest.importorskip("jsonschema")
pystac = pytest.importorskip("pystac")

from pystac.validation.local_validator import get_local_schema_cache
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

SCHEMAS = Path(__file__).parent / "schemas"


def read_schema(name):
    return json.loads((SCHEMAS / f"{name}.json").read_text())


def registry():
    known = dict(get_local_schema_cache())
    for name in ("mlm", "file", "raster", "processing", "classification"):
        schema = read_schema(name)
        known[schema["$id"].removesuffix("#")] = schema
    # The MLM schema refers to the classes of version 1.1; those of 2.0 ask for more.
    known["https://stac-extensions.github.io/classification/v1.1.0/schema.json"] = read_schema("classification")
    resources = [(uri, Resource.from_contents(schema, DRAFT7)) for uri, schema in known.items()]
    return Registry().with_resources(resources)


def problems(item):
    uris = ["https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/item.json"]
    uris += [f"https://stac-extensions.github.io/{name}/schema.json" for name in ("mlm/v1.4.0", "file/v2.1.0")]
    found = registry()
    validators = [jsonschema.Draft7Validator({"$ref": uri}, registry=found) for uri in uris]
    return [error.message for validator in validators for error in validator.iter_errors(item)]


def full_bundle(path):
    return ranking_bundle(
        path,
        model={"architecture": "Unet", "encoder_name": "resnet18", "encoder_weights": "imagenet"},
        legend=legend_from_names(["urban land", "water", "été"], [(255, 0, 16), (0, 128, 255), (1, 2, 3)]),
        bands=(4, 3, 2),
        dtype="uint16",
        resolution_m=10.0,
        versions={"torch": "2.13.0+cpu"},
        training={"epochs": 3, "model": {"width": 4}},
        data={"name": "valley", "synthetic": True},
        metrics={"val": {"headline": {"key": "miou", "value": 0.71234}}},
    )


@pytest.mark.parametrize("make", [threshold_bundle, full_bundle])
def test_item_is_valid(tmp_path, make):
    assert problems(stac_item(make(tmp_path / "model"), tmp_path)) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda item: item["properties"].pop("mlm:input"),
        lambda item: item["properties"].pop("bands"),
        lambda item: item["properties"]["mlm:tasks"].append("mapping"),
        lambda item: item["assets"]["graph"].pop("mlm:artifact_type"),
        lambda item: item["properties"]["mlm:output"][0]["classification:classes"][0].update(color_hint="red"),
        lambda item: item["properties"].pop("datetime"),
        lambda item: item["assets"]["card"].update({"file:size": "large"}),
    ],
)
def test_the_schemas_find_what_is_wrong(tmp_path, spoil):
    item = copy.deepcopy(stac_item(threshold_bundle(tmp_path / "model"), tmp_path))
    spoil(item)
    assert problems(item)


def test_item_says_what_the_bundle_knows(tmp_path):
    item = stac_item(full_bundle(tmp_path / "model"), tmp_path)
    properties = item["properties"]
    image, output = properties["mlm:input"][0], properties["mlm:output"][0]
    assert properties["description"].endswith(
        "trained on valley (synthetic scenes) with Overland. miou on its validation images: 0.712."
    )
    assert properties["gsd"] == 10
    assert properties["mlm:framework_version"] == "2.13.0+cpu"
    assert (properties["mlm:pretrained"], properties["mlm:pretrained_source"]) == (True, "imagenet")
    assert properties["mlm:hyperparameters"] == {"epochs": 3, "model": {"width": 4}, "chip_size": 64, "halo": 4}
    assert properties["bands"] == [{"name": f"band-{number}", "data_type": "uint16"} for number in (4, 3, 2)]
    assert image["bands"] == ["band-4", "band-3", "band-2"]
    assert image["input"]["shape"] == [-1, 3, -1, -1]
    assert image["value_scaling"] == [{"type": "z-score", "mean": 0.0, "stddev": 1.0}] * 3
    assert output["result"]["shape"] == [-1, 3, -1, -1]
    assert output["classification:classes"][0] == {
        "value": 0,
        "name": "urban-land",
        "description": "urban land",
        "color_hint": "FF0010",
    }


def test_a_two_class_model_tells_its_threshold(tmp_path):
    item = stac_item(threshold_bundle(tmp_path / "model", threshold=0.26), tmp_path)
    assert "sigmoid is at least 0.26" in item["properties"]["mlm:output"][0]["description"]
    assert item["properties"]["mlm:hyperparameters"]["threshold"] == 0.26


def test_links_are_relative_and_lead_to_the_files(tmp_path):
    bundle = threshold_bundle(tmp_path / "models" / "road")
    for folder in (tmp_path, tmp_path / "models", tmp_path / "catalogue" / "2026"):
        for asset in stac_item(bundle, folder)["assets"].values():
            assert asset["href"].startswith(("./", "../"))
            path = Path(os.path.normpath(folder / asset["href"]))
            assert path.stat().st_size == asset["file:size"]
            assert asset["file:checksum"] == "1220" + hashlib.sha256(path.read_bytes()).hexdigest()


def test_another_model_has_another_id(tmp_path):
    ids = {stac_item(threshold_bundle(tmp_path / str(bands), bands=bands), tmp_path)["id"] for bands in (1, 2)}
    assert len(ids) == 2


def test_pystac_reads_it(tmp_path):
    from pystac.extensions.mlm import MLMExtension

    item = pystac.Item.from_dict(stac_item(full_bundle(tmp_path / "model"), tmp_path))
    model = MLMExtension.ext(item)
    assert model.architecture == "Unet"
    assert model.input[0].bands == ["band-4", "band-3", "band-2"]
    assert item.assets["graph"].roles == ["mlm:model"]
