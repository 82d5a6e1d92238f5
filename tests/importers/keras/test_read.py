"""Files of Keras 2 written by hand, so that the right answer is known without Keras; and files that are refused."""

import io
import json
import zipfile

import numpy as np
import pytest

torch = pytest.importorskip("torch")
h5py = pytest.importorskip("h5py")

from keras_made import write_keras2
from overland.errors import DataError
from overland.importers.keras import network_from_keras, read_keras_model

KERNEL = np.arange(6, dtype=np.float32).reshape(1, 1, 3, 2)
CONV = {"class_name": "Conv2D", "config": {"name": "conv", "kernel_size": [1, 1], "strides": [1, 1], "use_bias": False}}
SHAPE = {"batch_input_shape": [None, 8, 8, 3]}


def chain(*layers, **first):
    """A Sequential model; `first` is added to the first layer's settings."""
    head, *others = layers
    return {"class_name": "Sequential", "config": [{**head, "config": {**head["config"], **SHAPE, **first}}, *others]}


def layer(kind, name="other", **config):
    return {"class_name": kind, "config": {"name": name, **config}}


def written(path, config, kernel=KERNEL, version="2.2.4"):
    return write_keras2(path / "model.h5", config, {"conv": {"conv/kernel:0": kernel}}, version)


def scores(path, image):
    model = read_keras_model(path)
    with torch.no_grad():
        return model, network_from_keras(model)(torch.from_numpy(image)).numpy()


def test_a_kernel_is_turned_to_the_order_of_pytorch(tmp_path):
    image = np.random.default_rng(0).normal(size=(1, 3, 8, 8)).astype(np.float32)
    model, logits = scores(written(tmp_path, chain(CONV, layer("Softmax", axis=-1))), image)
    np.testing.assert_allclose(logits, np.einsum("bihw,io->bohw", image, KERNEL[0, 0]), atol=1e-6)
    assert (model.classes, model.activation, model.input_shape, model.in_channels) == (2, "softmax", (8, 8), 3)


@pytest.mark.parametrize("ending", [layer("Activation", activation="hard_sigmoid"), layer("ReLU", max_value=1.0)])
def test_scores_made_in_another_way_come_out_as_they_are(tmp_path, ending):
    image = np.full((1, 3, 8, 8), 0.25, np.float32)
    model, logits = scores(written(tmp_path, chain(CONV, ending), np.full((1, 1, 3, 1), 0.5, np.float32)), image)
    expected = 0.2 * 0.375 + 0.5 if ending["class_name"] == "Activation" else 0.375
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), expected, atol=1e-6)
    assert "taken for probabilities" in model.notes[0]


def test_a_sigmoid_that_is_enlarged_stays_a_score(tmp_path):
    config = chain(
        {**CONV, "config": {**CONV["config"], "strides": [2, 2], "activation": "sigmoid"}},
        layer("UpSampling2D", size=[2, 2]),
    )
    image = np.random.default_rng(0).normal(size=(1, 3, 8, 8)).astype(np.float32)
    model, logits = scores(written(tmp_path, config, KERNEL[..., :1]), image)
    small = 1 / (1 + np.exp(-np.einsum("bihw,io->bohw", image[..., ::2, ::2], KERNEL[0, 0, :, :1])))
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), small.repeat(2, -1).repeat(2, -2), atol=1e-5)
    assert model.activation == "sigmoid"


def test_an_activation_may_be_a_layer_as_keras_2_writes_it(tmp_path):
    leaky = {"class_name": "LeakyReLU", "config": {"name": "leaky", "alpha": {"type": "ndarray", "value": 0.5}}}
    config = chain(
        {**CONV, "config": {**CONV["config"], "activation": leaky}}, layer("Activation", activation="linear")
    )
    _, logits = scores(written(tmp_path, config), -np.ones((1, 3, 8, 8), np.float32))
    np.testing.assert_allclose(logits[0, :, 0, 0], -0.5 * KERNEL[0, 0].sum(0))


def test_weights_are_found_by_the_layer_whatever_tensorflow_called_them(tmp_path):
    path = write_keras2(tmp_path / "model.h5", chain(CONV), {"conv": {"model_3/conv_7/kernel_1:0": KERNEL}})
    assert np.array_equal(read_keras_model(path).weights["conv.weight"][:, :, 0, 0].T, KERNEL[0, 0])


def test_names_that_pytorch_has_already_are_changed(tmp_path):
    names = ["image", "forward", "a/b.c", ""]
    config = chain(*[layer("ReLU", name=name) for name in names], CONV)
    assert [each["name"] for each in read_keras_model(written(tmp_path, config)).layers] == [
        "image_",
        "forward_",
        "a_b_c",
        "layer",
        "conv",
    ]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (chain(CONV, layer("Lambda", "double", function=["4wEAAAA=", None, None])), "'double' .Lambda. holds Python"),
        (chain(CONV, layer("TFOpLambda", "tf.math.add")), "'tf.math.add' .TFOpLambda. holds Python code"),
        (chain(CONV, layer("Sharpen", "mine")), "'mine' is a Sharpen, which is not supported"),
        (chain(CONV, layer("Activation", "act", activation="mine")), "'act' has the activation 'mine'"),
        (chain(CONV, layer("UpSampling2D", "up", interpolation="lanczos3")), "'up' enlarges by lanczos3"),
        (chain(CONV, layer("Reshape", "flat", target_shape=[64, 2])), "'flat' reshapes to"),
        (chain(CONV, layer("Reshape", "flat", target_shape=[1, 1, 2])), "'flat' reshapes a whole image"),
        (chain(CONV, layer("Concatenate", "join", axis=1)), "'join' works along axis 1"),
        (chain(CONV, layer("ZeroPadding2D", "pad", padding=[[10**9, 0], [0, 0]])), "'pad' cannot be read"),
        (chain(CONV, layer("MaxPooling2D", "pool", pool_size=[2, 2])), "1/2 of the image's side"),
        (chain(CONV, layer("GlobalAveragePooling2D")), "one answer for a whole image"),
        (chain(CONV, layer("Cropping2D", cropping=[[1, 1], [1, 1]])), "the image's side - 2 pixels"),
        (chain({**CONV, "config": {**CONV["config"], "padding": "causal"}}), "'conv' pads by 'causal'"),
        (chain(CONV, layer("Conv2DTranspose", "missing", use_bias=False)), "weights of layer 'missing' are not in"),
        (chain(CONV, batch_input_shape=[None, 8, 3]), "takes inputs of the shape"),
        ({"class_name": "MyModel", "config": {"layers": [CONV]}}, "is a MyModel made in Python code"),
        ({"class_name": "Sequential", "config": {"layers": [7]}}, "a layer without a class"),
        ({"class_name": "Model", "config": {"layers": [CONV]}}, "does not say what the model takes and gives"),
    ],
)
def test_what_is_not_supported_is_one_clear_error_that_names_the_layer(tmp_path, config, message):
    with pytest.raises(DataError, match=message):
        read_keras_model(written(tmp_path, config))


def test_one_result_through_tanh_is_neither_score_nor_logit(tmp_path):
    config = chain(CONV, layer("Activation", activation="tanh"))
    with pytest.raises(DataError, match="ends in one tanh"):
        read_keras_model(written(tmp_path, config, KERNEL[..., :1]))


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (KERNEL.astype(np.int8), "int8, not floating point"),
        (np.full_like(KERNEL, np.nan), "not all finite"),
        (KERNEL[0], "cannot be read"),
        (np.zeros((1, 1, 4, 2), np.float32), "do not fit together"),
    ],
)
def test_weights_that_are_none_are_refused(tmp_path, kernel, message):
    with pytest.raises(DataError, match=message):
        read_keras_model(written(tmp_path, chain(CONV), kernel))


def test_training_mode_is_refused(tmp_path):
    image = {**layer("InputLayer", "image", **SHAPE), "name": "image", "inbound_nodes": []}
    drop = {
        **layer("Dropout", "drop", rate=0.5),
        "name": "drop",
        "inbound_nodes": [[["image", 0, 0, {"training": True}]]],
    }
    config = {"layers": [image, drop], "input_layers": [["image", 0, 0]], "output_layers": [["drop", 0, 0]]}
    with pytest.raises(DataError, match="'drop' is called with training=True"):
        read_keras_model(written(tmp_path, {"class_name": "Model", "config": config}))


@pytest.mark.parametrize("kwargs", [{"training": True}, {}])
def test_a_random_flip_does_nothing_in_prediction_however_keras_3_calls_it(tmp_path, kwargs):
    image = {**layer("InputLayer", "image", **SHAPE), "name": "image", "inbound_nodes": []}
    history = {"class_name": "__keras_tensor__", "config": {"shape": [None], "keras_history": ["image", 0, 0]}}
    flip = {
        **layer("RandomFlip", "flip", mode="horizontal"),
        "name": "flip",
        "inbound_nodes": [{"args": [history], "kwargs": kwargs}],
    }
    conv = {**CONV, "name": CONV["config"]["name"], "inbound_nodes": [[["flip", 0, 0, {}]]]}
    config = {
        "layers": [image, flip, conv],
        "input_layers": [["image", 0, 0]],
        "output_layers": [[conv["name"], 0, 0]],
    }
    model = read_keras_model(written(tmp_path, {"class_name": "Functional", "config": config}, KERNEL))
    assert [found["kind"] for found in model.layers] == ["Conv2D"]


def test_a_graph_that_nobody_feeds_is_refused(tmp_path):
    image = {**layer("InputLayer", "image", **SHAPE), "name": "image", "inbound_nodes": []}
    loop = {**layer("ReLU", "loop"), "name": "loop", "inbound_nodes": [[["loop", 0, 0, {}]]]}
    config = {"layers": [image, loop], "input_layers": [["image", 0, 0]], "output_layers": [["loop", 0, 0]]}
    with pytest.raises(DataError, match="'loop' takes what no layer gives"):
        read_keras_model(written(tmp_path, {"class_name": "Model", "config": config}))


def test_a_link_to_another_file_is_not_followed(tmp_path):
    path = written(tmp_path, chain(CONV))
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["kernel"] = KERNEL
    with h5py.File(path, "r+") as file:
        del file["model_weights/conv/conv/kernel:0"]
        file["model_weights/conv/conv/kernel:0"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "kernel")
    with pytest.raises(DataError, match="weights of layer 'conv' are not in the file"):
        read_keras_model(path)


def archive(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def hdf5():
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file["layers/conv2d/vars/0"] = KERNEL
        file["layers/conv2d/vars"].attrs["name"] = "conv"
    return content.getvalue()


def test_an_archive_is_read_by_the_numbers_of_its_classes(tmp_path):
    path = archive(tmp_path / "m.keras", {"config.json": json.dumps(chain(CONV)), "model.weights.h5": hdf5()})
    model = read_keras_model(path)
    assert (model.version, model.classes) == ("unknown", 2)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"config.json": " " * (17 << 20), "model.weights.h5": b""}, "would expand from"),
        ({"config.json": "{}", "model.weights.h5": bytes(17 << 20)}, "would expand from"),
        ({f"{number}": "" for number in range(1001)}, "has 1001 members"),
        ({"model.json": "{}"}, "without config.json"),
        ({"config.json": "{", "model.weights.h5": b""}, "cannot be read as JSON"),
        ({"config.json": "[" * 100_000, "model.weights.h5": b""}, "cannot be read as JSON"),
        ({"config.json": "{}", "model.weights.h5": b"no HDF5"}, "is damaged or cut off"),
        ({"config.json": "{}", "model.weights.h5": hdf5()}, "is a None made in Python code"),
    ],
)
def test_an_archive_that_is_no_model_is_refused(tmp_path, members, message):
    with pytest.raises(DataError, match=message):
        read_keras_model(archive(tmp_path / "m.keras", members))


def test_weights_of_another_layer_are_refused(tmp_path):
    other = chain({**CONV, "config": {**CONV["config"], "name": "renamed"}})
    path = archive(tmp_path / "m.keras", {"config.json": json.dumps(other), "model.weights.h5": hdf5()})
    with pytest.raises(DataError, match="are those of 'conv' in the file"):
        read_keras_model(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("kind", ["h5", "keras"])
def test_a_file_that_is_cut_off_is_refused(tmp_path, kind, share):
    path = written(tmp_path, chain(CONV))
    if kind == "keras":
        path = archive(tmp_path / "m.keras", {"config.json": json.dumps(chain(CONV)), "model.weights.h5": hdf5()})
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match="damaged or cut off"):
        read_keras_model(path)


def test_other_files_are_refused(tmp_path):
    (tmp_path / "text.h5").write_text("no HDF5 at all")
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["numbers"] = KERNEL
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file.attrs["layer_names"] = [b"conv"]
    for name, message in [
        ("text.h5", "neither HDF5 nor a .keras archive"),
        ("data.h5", "is an HDF5 file, but no Keras model"),
        ("weights.h5", "holds weights only"),
        ("none.h5", "cannot be read"),
        (".", "is a folder"),
    ]:
        with pytest.raises(DataError, match=message):
            read_keras_model(tmp_path / name)
