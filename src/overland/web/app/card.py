"""Cards of the models, for people who choose one, and the example that the app opens with."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from overland.bundle import ModelBundle
from overland.web.app.results import MappedImage
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
    """Return classes, input, score and licence of a model, as HTML.

    Args:
        bundle: The model.
    """
    bands = "1 band" if bundle.in_channels == 1 else f"{bundle.in_channels} bands"
    size = f"{bundle.resolution_m:g} m a pixel" if bundle.resolution_m else "resolution not known"
    headline: dict[str, Any] = bundle.metrics.get("val", {}).get("headline", {})
    score = "none known"
    if headline:
        metric = f"IoU of {headline['class']}" if headline.get("class") else "mean IoU"
        synthetic = bundle.data.get("synthetic")
        images = "synthetic scenes: no evidence for real imagery" if synthetic else "its validation images"
        score = f"{metric} {headline['value']:.3f} on {images}"
    count = ", ".join(f"{count} {split}" for split, count in bundle.data.get("images", {}).items())
    rows = [
        ("Classes", legend_html(bundle)),
        ("Input", escape(f"{bands} of {bundle.dtype}, {size}")),
        (
            "Decides by",
            "the largest probability"
            if bundle.num_outputs > 1
            else f"a probability of {bundle.threshold or 0.5:.2f} or more",
        ),
        ("Score", escape(score)),
        ("Data", escape(f"{bundle.data.get('name', 'not known')}{f' ({count} images)' if count else ''}")),
        ("Licence", escape(str(bundle.data.get("license") or "not stated; the terms of the training data carry over"))),
    ]
    cells = "".join(f"<tr><td>{name}</td><td style='text-align:left'>{value}</td></tr>" for name, value in rows)
    return f"<table class='areas'>{cells}</table>"


def facts_html(*facts: str, synthetic: bool = False) -> str:
    """Return short facts side by side, as HTML.

    Args:
        *facts: The facts; empty ones are left out.
        synthetic: Whether a badge says that the imagery is no real one.
    """
    spans = [f"<span>{escape(fact)}</span>" for fact in facts if fact]
    badge = "<span class=synthetic>synthetic imagery</span>" if synthetic else ""
    return f"<div class='facts'>{badge}{''.join(spans)}</div>"


def legend_html(bundle: ModelBundle) -> str:
    """Return the classes with their colours, as HTML.

    Args:
        bundle: The model.
    """
    pairs = zip(bundle.legend.names, bundle.legend.colors, strict=True)
    items = (
        f"<span><i style='background:rgb({red} {green} {blue})'></i>{escape(name)}</span>"
        for name, (red, green, blue) in pairs
    )
    return f"<div class='legend'>{''.join(items)}</div>"


EXAMPLE_NAME = "Example"
"""Name of the example: a synthetic scene and two very small models, mapped by a real run at start-up."""
_FOLDER = Path(__file__).parent.parent / "example"
EXAMPLE_MODELS = {"example: land cover": _FOLDER / "landcover", "example: roads": _FOLDER / "roads"}
"""Folders of the example's models, by the names that users read."""


def map_example(model: str, bundle: ModelBundle, folder: Path) -> MappedImage:
    """Map the example's scene.

    Args:
        model: One of `EXAMPLE_MODELS`.
        bundle: That model.
        folder: Where the map and what is made of it go.

    Returns:
        The scene and its map.
    """
    image, mask, probabilities = _FOLDER / "scene.tif", folder / "mask.tif", folder / "probabilities.tif"
    values = predict(bundle, image, mask, probabilities=probabilities)
    return MappedImage(EXAMPLE_NAME, model, bundle, image, mask, probabilities, folder, values.to_dict())
