import pytest

from models_made import threshold_bundle
from overland.errors import UsageError
from overland.inference import open_engine


@pytest.mark.parametrize("name", ["auto", "onnx"])
def test_onnx_is_the_engine_of_the_base_install(tmp_path, name):
    assert open_engine(threshold_bundle(tmp_path / "m"), name).name == "onnx"


def test_an_unknown_engine_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(UsageError, match="'tensorflow'.*auto, onnx, torch"):
        open_engine(threshold_bundle(tmp_path / "m"), "tensorflow")
