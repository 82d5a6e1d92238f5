"""Files as Keras writes them, of networks like those of the reference systems, with what Keras computes with them.

Run as a script it needs Keras 3 with the PyTorch backend, and writes for each network NAME into a folder: NAME.h5 and
NAME.keras by Keras 3, NAME-2.0.8.h5 and NAME-2.15.0.h5 as those versions of Keras 2 wrote them, and NAME.npz with
inputs and outputs. Keras warns as it is imported, so that tests run this in a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np

__all__ = ["NETWORKS", "bright_model", "made_by_keras", "write_keras2"]

NETWORKS = ("road_unet", "skeyenet", "landcover", "street", "odd", "nested", "chain", "first")


def made_by_keras(folder: Path) -> Path:
    """Run this script."""
    environment = {**os.environ, "KERAS_BACKEND": "torch", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, __file__, str(folder)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder


def write_keras2(path: Path, config: dict, weights: dict[str, dict[str, np.ndarray]], version: str = "2.2.4") -> Path:
    """Write a model as Keras 2 did: the configuration in an attribute, for each layer a group with a list of names."""
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = version.encode()
        file.attrs["backend"] = b"tensorflow"
        file.attrs["model_config"] = json.dumps(config).encode()
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for name in weights]
        for layer, arrays in weights.items():
            own = group.create_group(layer)
            own.attrs["weight_names"] = [name.encode() for name in arrays]
            for name, array in arrays.items():
                own[name] = array
    return path


def bright_model(path: Path, *, bands: int = 3, classes: int = 1, ending: str = "sigmoid", first: tuple = ()) -> Path:
    """A model of Keras 2 of one convolution: the mean of the bands over 3 x 3 pixels, one class a band brighter than
    the one before. `first` are layers before it, each a class and its settings."""
    kernel = np.full((3, 3, bands, classes), 1 / (9 * bands), np.float32)
    bias = np.linspace(-0.5, 0.5, classes, dtype=np.float32) if classes > 1 else np.full(1, -0.5, np.float32)
    conv = {"name": "conv", "padding": "same", "activation": ending}
    layers = [*first, ("Conv2D", conv)]
    entries = [{"class_name": kind, "config": {"name": kind, **config}} for kind, config in layers]
    entries[0]["config"]["batch_input_shape"] = [None, 64, 64, bands]
    weights = {"conv": {"conv/kernel:0": kernel, "conv/bias:0": bias}}
    for kind, config in first:
        if kind == "BatchNormalization":
            values = {"gamma": np.ones(bands), "beta": np.zeros(bands)}
            values |= {"moving_mean": np.full(bands, config["seen"]), "moving_variance": np.ones(bands)}
            weights[kind] = {f"{kind}/{name}:0": value.astype(np.float32) for name, value in values.items()}
    return write_keras2(path, {"class_name": "Sequential", "config": entries}, weights)


def _road_unet(layers, height, width):
    """S0 as published: 7,771,873 parameters; the second activation clips to 0.2."""

    def block(x, filters):
        for activation in (layers.LeakyReLU(negative_slope=0.2), layers.ReLU(max_value=0.2)):
            x = layers.Conv2D(filters, 3, padding="same")(x)
            x = layers.BatchNormalization()(x)
            x = activation(x)
        return x

    image = layers.Input((height, width, 3))
    x, skips = image, []
    for filters in (32, 64, 128, 256):
        skips.append(block(x, filters))
        x = layers.MaxPooling2D(2)(skips[-1])
    x = block(x, 512)
    for filters in (256, 128, 64, 32):
        x = layers.Conv2DTranspose(filters, 2, strides=2, padding="same")(x)
        x = block(layers.Concatenate()([x, skips.pop()]), filters)
    return image, layers.Conv2D(1, 1, activation="sigmoid")(x)


def _skeyenet(layers, height, width):
    """S2 as published: 1,946,993 parameters."""

    def block(x, filters, rate):
        x = layers.BatchNormalization()(layers.Conv2D(filters, 3, activation="elu", padding="same")(x))
        x = layers.Dropout(rate)(x)
        return layers.BatchNormalization()(layers.Conv2D(filters, 3, activation="elu", padding="same")(x))

    image = layers.Input((height, width, 3))
    x, skips = image, []
    for filters, rate in ((16, 0.1), (32, 0.1), (64, 0.2), (128, 0.2)):
        skips.append(block(x, filters, rate))
        x = layers.MaxPooling2D((2, 2))(skips[-1])
    x = block(x, 256, 0.3)
    for filters, rate in ((128, 0.2), (64, 0.2), (32, 0.1), (16, 0.1)):
        x = layers.Conv2DTranspose(filters, (2, 2), strides=(2, 2), padding="same")(x)
        x = block(layers.Concatenate()([x, skips.pop()]), filters, rate)
    return image, layers.Conv2D(1, (1, 1), activation="sigmoid")(x)


def _landcover(layers, height, width):
    """Like S3, narrow: seven classes, softmax as a layer of its own."""
    image = layers.Input((height, width, 3))
    x, skips = image, []
    for filters in (4, 8):
        x = layers.Activation("relu")(layers.BatchNormalization()(layers.Conv2D(filters, 3, padding="same")(x)))
        skips.append(x)
        x = layers.Dropout(0.1)(layers.MaxPooling2D()(x))
    for filters in (8, 4):
        x = layers.Conv2DTranspose(filters, (3, 3), strides=2, padding="same")(x)
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(layers.Concatenate()([x, skips.pop()]))
    return image, layers.Activation("softmax")(layers.Conv2D(7, 1)(x))


def _street(layers, height, width):
    """Like S4, narrow: grey images, no batch normalisation, even kernels, a ReLU before the softmax."""
    image = layers.Input((height, width, 1))
    x, skips = image, []
    for filters in (4, 8):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        skips.append(x)
        x = layers.MaxPooling2D(2)(layers.Dropout(0.5)(x))
    for filters in (8, 4):
        x = layers.Conv2D(filters, 2, padding="same", activation="relu")(layers.UpSampling2D(2)(x))
        x = layers.Concatenate(axis=3)([skips.pop(), x])
    x = layers.Conv2D(12, 1, activation="relu")(x)
    return image, layers.Conv2D(12, 1, activation="softmax")(x)


def _odd(layers, height, width):
    """Everything that pads unevenly, pools unevenly, or is rarely used."""
    image = layers.Input((height, width, 2))
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(image)
    x = layers.SeparableConv2D(4, 3, padding="same", activation="selu")(x)
    x = layers.PReLU(shared_axes=[1, 2])(x)
    x = layers.Conv2D(6, (5, 3), strides=(3, 3), padding="same", activation="swish", use_bias=False)(x)
    y = layers.Conv2D(6, 4, strides=2, padding="same", activation="gelu", groups=2)(x)
    small = layers.Add()([layers.MaxPooling2D(3, 2, padding="same")(y), layers.AveragePooling2D(2)(y)])
    small = layers.AveragePooling2D(3, 1, padding="same")(small)
    small = layers.DepthwiseConv2D(3, padding="same", dilation_rate=2, depth_multiplier=2)(small)
    weight = layers.GlobalAveragePooling2D()(small)
    weight = layers.Dense(12, activation="hard_sigmoid")(layers.Reshape((1, 1, 12))(weight))
    small = layers.Multiply()([small, weight])
    up = layers.Conv2DTranspose(6, 5, strides=2, padding="same")(small)
    up = layers.Maximum()([up, layers.Subtract()([y, up])])
    up = layers.Average()([layers.UpSampling2D(2, interpolation="bilinear")(up), x])
    up = layers.BatchNormalization(scale=False, epsilon=1e-2)(up)
    up = layers.BatchNormalization(center=False)(up)
    up = layers.ReLU(max_value=3.0, negative_slope=0.1, threshold=0.2)(up)
    up = layers.Conv2DTranspose(5, 2, strides=3, activation="leaky_relu")(up)
    up = layers.Cropping2D(((1, 2), (0, 3)))(up)
    up = layers.Conv2D(5, (3, 4), activation="softsign")(layers.ZeroPadding2D(((4, 1), (2, 4)))(up))
    up = layers.SpatialDropout2D(0.2)(up)
    return image, layers.Softmax()(layers.Conv2D(3, 1)(up))


def _nested(layers, height, width):
    """Models in a model, used twice, one with two results; inner layers share names with outer ones."""
    import keras

    tensor = layers.Input((None, None, 4))
    first = layers.Conv2D(4, 3, padding="same", activation="elu", name="conv")(tensor)
    pair = keras.Model(tensor, [first, layers.BatchNormalization(name="norm")(first)], name="pair")
    chain = keras.Sequential(
        [layers.Conv2D(4, 3, padding="same", name="conv"), layers.BatchNormalization()], name="chain"
    )
    shared = layers.Conv2D(4, 3, padding="same", activation="tanh", name="shared")
    image = layers.Input((height, width, 3))
    x = layers.Conv2D(4, 1, name="conv")(image)
    x = chain(chain(x))
    left, right = pair(shared(shared(x)))
    left, _ = pair(left)
    x = layers.Concatenate()([left, right])
    return image, layers.Conv2D(2, 1, activation="sigmoid")(x)


def _chain(layers, height, width):
    """A Sequential model without a last activation; gives its layers."""
    return [
        layers.Input((height, width, 3)),
        layers.Conv2D(4, 3, strides=2, padding="same", activation="mish"),
        layers.BatchNormalization(momentum=0.9),
        layers.LeakyReLU(negative_slope=0.1),
        layers.Conv2DTranspose(1, 3, strides=2, padding="same"),
    ]


def _first(layers, height, width):
    """Channels first."""
    image = layers.Input((3, height, width))
    x = layers.Conv2D(4, 2, strides=2, padding="same", data_format="channels_first")(image)
    x = layers.PReLU(shared_axes=[2, 3])(layers.BatchNormalization(axis=1)(x))
    x = layers.UpSampling2D(2, data_format="channels_first")(x)
    x = layers.Concatenate(axis=1)([x, image])
    return image, layers.Conv2D(1, 1, data_format="channels_first", activation="sigmoid")(x)


_SIZES = {"road_unet": (256, 256), "skeyenet": (256, 256), "odd": (48, 72)}


def _main(folder: Path) -> None:
    import keras

    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    for name in NETWORKS:
        height, width = _SIZES.get(name, (64, 64))
        model = _model(keras, name, height, width)
        _randomize(model, rng)
        if name == "road_unet":  # its features are at most 0.2
            head = model.layers[-1].weights[0]
            head.assign(20 * np.asarray(head.value.detach()))
        free = _model(keras, name, None, None)
        free.set_weights(model.get_weights())
        found = {}
        for number, (network, size) in enumerate([(model, (height, width)), (free, (96, 144))]):
            count = 1 if name in _SIZES else 2
            shape = (count, *size, model.input_shape[-1]) if name != "first" else (count, 3, *size)
            image = rng.uniform(0, 255 if name == "odd" else 1, shape).astype(np.float32)
            found |= {f"image{number}": image, f"scores{number}": np.asarray(network(image).detach())}
        np.savez(folder / f"{name}.npz", **found)
        for suffix in ("h5", "keras"):
            model.save(folder / f"{name}.{suffix}")
        if name in ("road_unet", "skeyenet", "landcover", "street", "nested"):
            for version in ("2.0.8", "2.15.0"):
                _save_as_keras2(model, folder / f"{name}-{version}.h5", version)
    _refused(keras, folder)


def _model(keras, name, height, width):
    made = globals()[f"_{name}"](keras.layers, height, width)
    return keras.Sequential(made) if isinstance(made, list) else keras.Model(*made)


def _randomize(model, rng):
    for variable in model.weights:
        values = rng.normal(0, 0.5 / max(1, np.sqrt(np.prod(variable.shape[:-1]) / 4)), variable.shape)
        if variable.name == "moving_variance":
            values = rng.uniform(0.5, 2, variable.shape)
        if variable.name == "gamma":
            values = rng.uniform(0.5, 1.5, variable.shape)
        if variable.dtype == "float32":
            variable.assign(values)


def _refused(keras, folder):
    """Models that cannot be imported."""
    layers = keras.layers
    model = keras.Sequential([layers.Input((8, 8, 3)), layers.Conv2D(1, 1, activation="sigmoid")])
    model.save_weights(folder / "only.weights.h5")
    image = layers.Input((8, 8, 3))
    doubled = layers.Lambda(lambda x: x * 2, name="doubled")(image)
    keras.Model(image, layers.Conv2D(1, 1)(doubled)).save(folder / "lambda.keras")
    keras.Model(image, layers.Conv2D(1, 1)(doubled)).save(folder / "lambda.h5")
    keras.Model(image, layers.Conv2D(1, 1)(image * 2.0)).save(folder / "operation.keras")

    @keras.saving.register_keras_serializable(package="mine")
    class Sharpen(layers.Layer):
        def call(self, x):
            return x

    keras.Model(image, layers.Conv2D(1, 1)(Sharpen(name="sharpen")(image))).save(folder / "custom.keras")


def _save_as_keras2(model, path, version):
    """Rewrite what Keras 3 says of a model in the words of Keras 2, and its weights under the names of Keras 2."""
    weights = {
        layer.name: {
            f"{_owner(variable, layer)}/{variable.name}:0": np.asarray(variable) for variable in _ordered(layer)
        }
        for layer in model.layers
    }
    write_keras2(path, _keras2_entry(json.loads(model.to_json()), version), weights, version)


def _ordered(layer):
    floats = [variable for variable in layer.weights if variable.dtype == "float32"]
    return sorted(floats, key=lambda variable: not variable.trainable)


def _owner(variable, layer):
    return variable.path.split("/")[-2] if hasattr(layer, "layers") else layer.name


def _keras2_entry(entry, version):
    names = {"Functional": "Model"} if version < "2.4" else {}
    config = {key: value for key, value in entry["config"].items() if key not in ("build_config", "dtype")}
    if "layers" in config:
        config["layers"] = [_keras2_entry(item, version) for item in config["layers"]]
        for key in {"input_layers", "output_layers"} & set(config):
            config[key] = [config[key]] if isinstance(config[key][0], str) else config[key]
    if "batch_shape" in config:
        config["batch_input_shape"] = config.pop("batch_shape")
    if entry["class_name"] == "LeakyReLU":
        config["alpha"] = config.pop("negative_slope")
    if entry["class_name"] == "BatchNormalization":
        config["axis"] = [3] if version > "2.4" else -1
    nodes = [[_keras2_reference(each) for each in _tensors(node)] for node in entry.get("inbound_nodes", [])]
    renamed = {"class_name": names.get(entry["class_name"], entry["class_name"]), "config": config}
    return renamed | ({"name": config["name"], "inbound_nodes": nodes} if "inbound_nodes" in entry else {})


def _tensors(node):
    (argument,) = node["args"]
    return argument if isinstance(argument, list) else [argument]


def _keras2_reference(tensor):
    return [*tensor["config"]["keras_history"], {}]


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
