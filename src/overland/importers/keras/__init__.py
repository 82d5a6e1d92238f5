"""Networks that Keras saved, read without Keras: from a file to a list of layers, and from that to a torch network."""

from __future__ import annotations

from overland.importers.keras.model import KerasModel, network_from_keras, read_keras_model

__all__ = ["KerasModel", "network_from_keras", "read_keras_model"]
