"""Datasets: readers, splits, what masks mean, chips, augmentation and the made demo landscape."""

from __future__ import annotations

from overland.datasets.codec import LabelCodec
from overland.datasets.dataset import Dataset, Sample, read_sample
from overland.datasets.layouts import dataset_from_path
from overland.datasets.shares import class_shares, missing_classes

__all__ = [
    "Dataset",
    "LabelCodec",
    "Sample",
    "class_shares",
    "dataset_from_path",
    "missing_classes",
    "read_sample",
]
