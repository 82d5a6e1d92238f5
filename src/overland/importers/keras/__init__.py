"""Networks that Keras saved, read without Keras: from a file to a list of layers, and from that to a torch network."""

from __future__ import annotations

from overland.models.keras.model import KerasModel, network_from_keras, read_keras_model
from overland.models.keras.network import KerasNetwork

__all__ = ["KerasModel", "KerasNetwork", "network_from_keras", "read_keras_model"]
