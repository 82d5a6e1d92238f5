"""Downloads of public datasets, from where they are published to a folder that our readers know."""

from __future__ import annotations

from overland.datasets.download.fetch import fetch_file
from overland.datasets.download.providers import download_cityscapes, download_kaggle
from overland.datasets.download.sources import PUBLIC_DATASETS, PublicDataset
from overland.datasets.download.unpack import check_space, unpack_archive

__all__ = [
    "PUBLIC_DATASETS",
    "PublicDataset",
    "check_space",
    "download_cityscapes",
    "download_kaggle",
    "fetch_file",
    "unpack_archive",
]
