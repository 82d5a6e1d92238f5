"""Keras's layers in PyTorch, and a network that is a list of them (`KerasNetwork`)."""
