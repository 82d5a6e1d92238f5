"""Datasets: readers, splits, what masks mean, chips, augmentation and the made demo landscape."""

from __future__ import annotations

from overland.datasets.class_balance import class_fractions, missing_classes
from overland.datasets.dataset import Dataset, Sample, read_sample
from overland.datasets.label_mapping import LabelMapping
from overland.datasets.layouts import dataset_from_path

__all__ = [
    "Dataset",
    "LabelMapping",
    "Sample",
    "class_fractions",
    "dataset_from_path",
    "missing_classes",
    "read_sample",
]
