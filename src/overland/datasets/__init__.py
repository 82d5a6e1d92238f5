"""Datasets: layouts and their readers, the meaning of masks, checks, chips, augmentation and downloads."""

from __future__ import annotations

from overland.datasets.class_balance import class_fractions, missing_classes
from overland.datasets.dataset import Dataset, Sample, read_sample
from overland.datasets.label_mapping import LabelMapping
from overland.datasets.layouts import DataSource, Layout, read_dataset

__all__ = [
    "DataSource",
    "Dataset",
    "LabelMapping",
    "Layout",
    "Sample",
    "class_fractions",
    "missing_classes",
    "read_dataset",
    "read_sample",
]
