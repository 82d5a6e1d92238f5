from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import onnx
import onnxruntime
import pytest

from models_made import threshold_bundle
from overland.bundle import ModelBundle, load_bundle, load_weights, save_bundle
from overland.errors import DataError, UsageError
from overland.exporters.compact import compact_bundle
from overland.exporters.deepness import deepness_graph
from overland.exporters.graphs import whole_graph
from overland.exporters.hugging_face import save_for_hub
from overland.exporters.quantize import end_layers, quantize_graph
from overland.inference import open_engine
from overland.inference.probabilities import mask_from_probabilities, probabilities_from_logits
from overland.legend import legend_from_names

torch = pytest.importorskip("torch")

from overland.models import build_model, graph_from_model, model_settings, size_divisor_of

CHIPS = np.random.default_rng(0).normal(size=(2, 3, 96, 64)).astype(np.float32)
NETWORKS = {
    "plain": {"architecture": "PlainUnet", "width": 40, "depth": 2, "stem_stride": 2},
    "group": {"architecture": "PlainUnet", "width": 16, "depth": 2, "norm": "group"},
    "resnet": {"architecture": "Unet", "encoder": "resnet18", "encoder_depth": 3, "decoder_channels": [16, 8, 8]},
}


def trained_bundle(path, settings, classes=1) -> ModelBundle:
    """A network whose normalisation has seen images, so that folding it changes every weight."""
    torch.manual_seed(0)
    model = model_settings(settings, in_channels=3, classes=classes)
    network = build_model(model).train()
    with torch.no_grad():
        for _ in range(3):
            network(torch.from_numpy(CHIPS) * 2 + 0.5)
    bundle = ModelBundle(
        legend=legend_from_names(["background", "road"]),
        model=model,
        bands=(1, 2, 3),
        dtype="uint8",
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
        chip_size=64,
        size_divisor=size_divisor_of(network),
        halo=8,
        activation="sigmoid" if classes == 1 else "softmax",
        threshold=0.4 if classes == 1 else None,
    )
    graph = graph_from_model(network, in_channels=3, size_divisor=bundle.size_divisor)
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    return save_bundle(bundle, path, weights=weights, graph=graph, card="# Read me\n")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return trained_bundle(tmp_path_factory.mktemp("plain") / "m", NETWORKS["plain"])


@pytest.fixture(scope="module")
def compact(plain, tmp_path_factory):
    return compact_bundle(plain, tmp_path_factory.mktemp("compact") / "m")


def scores_of(bundle, engine="onnx"):
    return probabilities_from_logits(bundle, open_engine(bundle, engine, precision="fp32", workers=1).run(CHIPS))


@pytest.mark.parametrize(("name", "classes"), [("plain", 1), ("plain", 2), ("group", 1), ("resnet", 2)])
def test_a_compact_bundle_answers_as_the_one_it_was_made_of(tmp_path, name, classes):
    bundle = trained_bundle(tmp_path / "m", NETWORKS[name], classes)
    copy = compact_bundle(bundle, tmp_path / "compact")
    first, second = scores_of(bundle), scores_of(copy)
    np.testing.assert_allclose(second, first, atol=2e-3)
    masks = [np.stack([mask_from_probabilities(bundle, each) for each in scores]) for scores in (first, second)]
    assert (masks[0] == masks[1]).mean() >= 0.999


def test_it_takes_a_quarter_of_the_room(plain, compact):
    sizes = [sum(file.stat().st_size for file in bundle.path.iterdir()) for bundle in (plain, compact)]
    assert sizes[1] < 0.33 * sizes[0]
    assert compact.graph_path.stat().st_size < 0.1 * compact.weights_path.stat().st_size


@pytest.mark.parametrize("engine", ["onnx", "torch", "openvino"])
def test_every_engine_reads_the_one_file(plain, compact, engine):
    if engine == "openvino":
        pytest.importorskip("openvino")
    np.testing.assert_allclose(scores_of(compact, engine), scores_of(plain), atol=2e-3)


def test_the_graph_names_places_in_the_weights_and_holds_none_of_them(compact):
    tensors = onnx.load(compact.graph_path, load_external_data=False).graph.initializer
    outside = {tensor.name for tensor in tensors if tensor.data_location == onnx.TensorProto.EXTERNAL}
    # Tensors of the same content are one in a graph.
    assert outside == {tensor.name for tensor in tensors if tensor.dims}
    assert {name for name, array in load_weights(compact).items() if array.ndim > 1} <= outside
    whole = {
        tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(compact.graph_path).graph.initializer
    }
    for name, array in load_weights(compact).items():
        if name in outside:
            np.testing.assert_array_equal(whole[name], array)
            assert array.dtype == (np.float16 if array.size >= 10_000 else np.float32)


def test_it_works_wherever_the_folder_is_moved(plain, compact, tmp_path):
    moved = compact.path.rename(tmp_path / "elsewhere")
    try:
        np.testing.assert_allclose(scores_of(load_bundle(moved)), scores_of(plain), atol=2e-3)
    finally:
        moved.rename(compact.path)


def test_a_flipped_bit_is_found(plain, tmp_path):
    copy = compact_bundle(plain, tmp_path / "m")
    content = bytearray(copy.weights_path.read_bytes())
    content[-3] ^= 1
    copy.weights_path.write_bytes(content)
    with pytest.raises(DataError, match="is not the file that was saved"):
        load_bundle(tmp_path / "m")


def test_the_card_and_all_that_is_known_come_along(plain, compact):
    assert (compact.path / "README.md").read_text() == "# Read me\n"
    assert dataclasses.replace(compact, path=None) == dataclasses.replace(plain, path=None)


def test_compact_again_is_the_same_bytes(compact, tmp_path):
    again = compact_bundle(compact, tmp_path / "m", card="# Other\n")
    assert again.weights_path.read_bytes() == compact.weights_path.read_bytes()
    assert (again.path / "README.md").read_text() == "# Other\n"


def test_the_whole_graph_has_its_weights_and_no_normalisation_left(plain, compact, tmp_path):
    assert whole_graph(plain) == plain.graph_path.read_bytes()
    content = whole_graph(compact)
    kinds = {node.op_type for node in onnx.load_model_from_string(content).graph.node}
    assert not kinds & {"Cast", "BatchNormalization"}
    (logits,) = onnxruntime.InferenceSession(content).run(None, {"image": CHIPS})
    np.testing.assert_allclose(probabilities_from_logits(compact, logits), scores_of(compact), atol=1e-5)
    assert len(end_layers(content)) == 2


def test_other_formats_are_made_of_it(plain, compact, tmp_path):
    session = onnxruntime.InferenceSession(deepness_graph(compact, tile_size=64))
    (found,) = session.run(None, {session.get_inputs()[0].name: CHIPS[:1, :, :64, :64]})
    expected = probabilities_from_logits(plain, open_engine(plain, "onnx").run(CHIPS[:1, :, :64, :64]))
    np.testing.assert_allclose(found, expected, atol=2e-3)
    hub = save_for_hub(compact, tmp_path / "hub")
    np.testing.assert_array_equal(scores_of(load_bundle(hub.path)), scores_of(compact))
    int8 = quantize_graph(whole_graph(compact), [CHIPS[:1]])
    assert any(node.op_type == "QuantizeLinear" for node in onnx.load_model_from_string(int8).graph.node)


def test_a_network_that_is_not_ours_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"cannot be made compact.*architecture 'made'"):
        compact_bundle(threshold_bundle(tmp_path / "m"), tmp_path / "compact")
    assert not (tmp_path / "compact").exists()


def test_weights_that_half_precision_spoils_are_refused(plain, tmp_path):
    # Below the smallest number of float16, and brought back by the normalisation that follows.
    weights = dict(load_weights(plain))
    weights["stem.3.weight"] = weights["stem.3.weight"] * np.float32(1e-8)
    weights["stem.4.running_mean"] = np.zeros_like(weights["stem.4.running_mean"])
    weights["stem.4.running_var"] = np.zeros_like(weights["stem.4.running_var"])
    weights["stem.4.weight"] = np.full_like(weights["stem.4.weight"], 1e6)
    network = build_model(plain.model)
    network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    graph = graph_from_model(network, in_channels=3, size_divisor=plain.size_divisor)
    spoilt = save_bundle(plain, tmp_path / "m", weights=weights, graph=graph, card="")
    with pytest.raises(DataError, match="In half precision"):
        compact_bundle(spoilt, tmp_path / "compact")
    assert not (tmp_path / "compact").exists()


def test_weights_that_are_not_where_the_graph_says_are_refused_by_exports(tmp_path):
    bundle = load_bundle("roads")
    folder = shutil.copytree(bundle.path, tmp_path / "m")
    (folder / "model.safetensors").write_bytes(b"garbage")
    with pytest.raises(DataError, match="cannot be read with its weights"):
        whole_graph(dataclasses.replace(bundle, path=folder))
