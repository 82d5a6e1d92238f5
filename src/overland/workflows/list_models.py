"""List the pretrained models that come with Overland, from each one's own bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from overland.bundle import load_bundle
from overland.inference.compatibility import resolution_range_m
from overland.pretrained import pretrained_models
from overland.result import Result

__all__ = ["ListModelsResult", "PretrainedModel", "list_models"]


@dataclass(frozen=True)
class PretrainedModel:
    """A pretrained model.

    Args:
        name: Name that stands for it wherever a command takes a model.
        task: Kind of task.
        classes: Names of the classes in the order of their ids.
        bands: Bands that it takes, counted from 1.
        dtype: Pixel type of its imagery.
        resolution_m: Side in metres of a pixel of the imagery that it was trained on.
        resolution_range_m: Least and largest side of a pixel that it maps without resampling.
        bytes: Size on the disk.
        figure: Headline score on scenes that training did not see, where the card has one, else on the validation
            images: `on`, `split`, `key`, `class`, `value` and its interval.
        license: Terms of use.
        attribution: Credit that the terms ask for.
        path: Folder of the bundle.
    """

    name: str
    task: str
    classes: tuple[str, ...]
    bands: tuple[int, ...]
    dtype: str
    resolution_m: float | None
    resolution_range_m: tuple[float, float] | None
    bytes: int
    figure: Mapping[str, Any] | None
    license: str | None
    attribution: str | None
    path: str


@dataclass(frozen=True)
class ListModelsResult(Result):
    """The pretrained models.

    Args:
        models: Models, sorted by name.
    """

    models: tuple[PretrainedModel, ...]


def list_models() -> ListModelsResult:
    """List the pretrained models that come with Overland, with task, imagery, score and licence.

    They need no network. Each can be named wherever a command takes a MODEL. A bundle or a run of that name in the
    present folder is taken first; ./NAME is always a folder.

    Returns:
        The models, sorted by name.

    Raises:
        DataError: A model is damaged.
    """
    models = []
    for name, folder in pretrained_models().items():
        bundle = load_bundle(folder)
        split = next((split for split in ("test", "val") if split in bundle.metrics), None)
        scores = bundle.metrics[split] if split else {}
        span = resolution_range_m(bundle)
        models.append(
            PretrainedModel(
                name=name,
                task="semantic segmentation",
                classes=tuple(bundle.legend.names),
                bands=tuple(bundle.bands),
                dtype=bundle.dtype,
                resolution_m=bundle.resolution_m,
                resolution_range_m=None if span is None else (span[0], span[1]),
                bytes=sum(file.stat().st_size for file in folder.iterdir() if file.is_file()),
                figure={"on": scores.get("dataset"), "split": split, **scores["headline"]} if split else None,
                license=bundle.data.get("license"),
                attribution=bundle.data.get("attribution"),
                path=str(folder),
            )
        )
    return ListModelsResult(tuple(models))
