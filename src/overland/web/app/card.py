"""A model's card, for people who choose one."""

from __future__ import annotations

import tempfile
from html import escape
from pathlib import Path
from typing import Any

from overland.bundle import ModelBundle, load_bundle
from overland.web.app.results import Result
from overland.workflows.predict import predict

__all__ = [
    "EXAMPLE_MODELS",
    "EXAMPLE_NAME",
    "card_html",
    "facts_html",
    "legend_html",
    "map_example",
]


def card_html(bundle: ModelBundle) -> str:
    """Classes, input, score and licence of a model, as HTML."""
    rows = [
        ("Classes", legend_html(bundle)),
        ("Input", escape(_input(bundle))),
        ("Decides by", escape(_decision(bundle))),
        ("Score", escape(_score(bundle))),
        ("Data", escape(_data(bundle))),
        ("Licence", escape(str(bundle.data.get("license") or "not stated; the terms of the training data carry over"))),
    ]
    cells = "".join(f"<tr><td>{name}</td><td style='text-align:left'>{value}</td></tr>" for name, value in rows)
    return f"<table class='areas'>{cells}</table>"


def facts_html(*facts: str, made: bool = False) -> str:
    """Short facts side by side; `made` says that the imagery is no real one."""
    spans = [f"<span>{escape(fact)}</span>" for fact in facts if fact]
    return f"<div class='facts'>{'<span class=made>made imagery</span>' if made else ''}{''.join(spans)}</div>"


def legend_html(bundle: ModelBundle) -> str:
    """The classes with their colours."""
    pairs = zip(bundle.legend.names, bundle.legend.colors, strict=True)
    items = (
        f"<span><i style='background:rgb({red} {green} {blue})'></i>{escape(name)}</span>"
        for name, (red, green, blue) in pairs
    )
    return f"<div class='legend'>{''.join(items)}</div>"


def _input(bundle: ModelBundle) -> str:
    size = f"{bundle.resolution_m:g} m a pixel" if bundle.resolution_m else "resolution not known"
    bands = "1 band" if bundle.in_channels == 1 else f"{bundle.in_channels} bands"
    return f"{bands} of {bundle.dtype}, {size}"


def _decision(bundle: ModelBundle) -> str:
    return "the largest score" if bundle.num_scores > 1 else f"a probability of {bundle.threshold or 0.5:.2f} or more"


def _score(bundle: ModelBundle) -> str:
    headline: dict[str, Any] = bundle.metrics.get("val", {}).get("headline", {})
    if not headline:
        return "none known"
    what = f"IoU of {headline['class']}" if headline.get("class") else "mean IoU"
    made = (
        " on made scenes: no evidence for real imagery" if bundle.data.get("synthetic") else " on its validation images"
    )
    return f"{what} {headline['value']:.3f}{made}"


def _data(bundle: ModelBundle) -> str:
    images = ", ".join(f"{count} {split}" for split, count in bundle.data.get("images", {}).items())
    return f"{bundle.data.get('name', 'not known')}{f' ({images} images)' if images else ''}"


# The example that the app opens with: a made scene and two very small models, mapped by a real run at start-up.

EXAMPLE_NAME = "Example"
_FOLDER = Path(__file__).parent.parent / "example"
EXAMPLE_MODELS = {"example: land cover": _FOLDER / "landcover", "example: roads": _FOLDER / "roads"}


def map_example(model: str, bundle: ModelBundle | None = None) -> tuple[Path, Result]:
    """Map the example's scene with one of `EXAMPLE_MODELS`; gives the folder of the files and the result."""
    bundle = bundle or load_bundle(EXAMPLE_MODELS[model])
    folder = Path(tempfile.mkdtemp(prefix="overland-example-"))
    mask, scores = folder / "mask.tif", folder / "scores.tif"
    values = predict(bundle, _FOLDER / "scene.tif", mask, scores=scores)
    return folder, Result(EXAMPLE_NAME, model, bundle, _FOLDER / "scene.tif", mask, scores, folder, values)
