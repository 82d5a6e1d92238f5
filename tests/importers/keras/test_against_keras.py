"""Networks that Keras 3 itself made, saved and ran: the same numbers without Keras."""

import importlib.util

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("h5py")
if importlib.util.find_spec("keras") is None:
    pytest.skip("Keras makes the files of these tests", allow_module_level=True)

from keras_made import NETWORKS, made_by_keras
from overland.errors import DataError
from overland.importers.keras import network_from_keras, read_keras_model

GENERATIONS = [f"{name}.{suffix}" for name in NETWORKS for suffix in ("h5", "keras")] + [
    f"{name}-{version}.h5"
    for name in ("road_unet", "skeyenet", "landcover", "street", "nested")
    for version in ("2.0.8", "2.15.0")
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return made_by_keras(tmp_path_factory.mktemp("keras"))


def scores(model, images):
    with torch.no_grad():
        logits = network_from_keras(model)(torch.from_numpy(images))
    return (torch.sigmoid(logits) if model.activation == "sigmoid" else torch.softmax(logits, 1)).numpy()


@pytest.mark.parametrize("file", GENERATIONS)
def test_scores_are_those_of_keras_at_the_size_of_training_and_at_another(made, file):
    name = file.partition(".")[0].partition("-")[0]
    model = read_keras_model(made / file)
    known = np.load(made / f"{name}.npz")
    for number in range(2):
        images, expected = known[f"image{number}"], known[f"scores{number}"]
        if name != "first":
            images, expected = (array.transpose(0, 3, 1, 2) for array in (images, expected))
        if name == "nested":  # two independent sigmoids
            expected = expected / expected.sum(axis=1, keepdims=True)
        if name == "chain":  # logits
            expected = 1 / (1 + np.exp(-expected))
        assert expected.std() > 0.01
        np.testing.assert_allclose(scores(model, np.ascontiguousarray(images)), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "total", "trainable", "divisor", "activation", "classes"),
    [
        ("road_unet", 7_771_873, 7_765_985, 16, "sigmoid", 1),
        ("skeyenet", 1_946_993, 1_944_049, 16, "sigmoid", 1),
        ("landcover", None, None, 4, "softmax", 7),
        ("street", None, None, 4, "softmax", 12),
        ("odd", None, None, 12, "softmax", 3),
        ("chain", None, None, 2, "sigmoid", 1),
    ],
)
def test_what_a_network_is(made, name, total, trainable, divisor, activation, classes):
    model = read_keras_model(made / f"{name}.keras")
    network = network_from_keras(model)
    assert (network.size_divisor, model.activation, model.classes) == (divisor, activation, classes)
    assert model.version.startswith("3.")
    if total is not None:
        counted = sum(array.size for key, array in model.weights.items() if "num_batches" not in key)
        assert counted == total
        assert sum(parameter.numel() for parameter in network.parameters()) == trainable


def test_both_forms_hold_the_same_network(made):
    first, second = (read_keras_model(made / f"road_unet.{suffix}") for suffix in ("h5", "keras"))
    assert first.layers == second.layers
    assert all(np.array_equal(first.weights[key], second.weights[key]) for key in first.weights)


def test_the_ending_is_told_where_it_is_not_plain(made):
    assert "taken for logits" in read_keras_model(made / "chain.h5").notes[0]
    assert "2 independent sigmoids" in read_keras_model(made / "nested.h5").notes[0]
    assert read_keras_model(made / "road_unet.h5").notes == ()


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("only.weights.h5", "holds weights only"),
        ("lambda.keras", "'doubled' .Lambda. holds Python code, which is not executed"),
        ("lambda.h5", "'doubled' .Lambda. holds Python code"),
        ("operation.keras", "is called with 2.0"),
        ("custom.keras", "'sharpen' is of the class mine>Sharpen from your own code"),
    ],
)
def test_what_would_have_to_be_executed_is_refused(made, file, message):
    with pytest.raises(DataError, match=message):
        read_keras_model(made / file)
