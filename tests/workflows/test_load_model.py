import numpy as np
import pytest

from models_made import threshold_bundle
from overland.errors import DataError
from overland.inference.options import PredictOptions
from overland.raster import Grid, create_raster
from overland.workflows import load_model as model_module
from overland.workflows.load_model import load_model


def test_a_loaded_model_predicts(tmp_path):
    threshold_bundle(tmp_path / "m")
    with create_raster(tmp_path / "s.tif", Grid(height=20, width=20)) as writer:
        writer.write(np.full((20, 20), 200, np.uint8), Grid(height=20, width=20).window)
    model = load_model(tmp_path / "m")
    values = model.predict(tmp_path / "s.tif", tmp_path / "mask.tif", PredictOptions(chip_size=64))
    assert values.class_fractions == {"background": 0.0, "road": 1.0}
    assert model.bundle.in_channels == 1


def test_a_loaded_model_evaluates_its_own_folder(tmp_path, monkeypatch):
    threshold_bundle(tmp_path / "m")
    asked = []
    monkeypatch.setattr(
        model_module, "evaluate", lambda *arguments, **options: asked.append((arguments, options)) or {}
    )
    load_model(tmp_path / "m").evaluate("data", split="test")
    ((arguments, options),) = asked
    assert (arguments[0].path, arguments[1], options["split"]) == (tmp_path / "m", "data", "test")


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(DataError, match="not a model bundle"):
        load_model(tmp_path)
