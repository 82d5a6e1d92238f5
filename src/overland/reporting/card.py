"""The model card: a bundle's README."""

from __future__ import annotations

from overland.bundle import ModelBundle

__all__ = ["model_card"]


def model_card(bundle: ModelBundle) -> str:
    """Return a bundle's README in Markdown: its training data, its metrics, how to use it.

    Args:
        bundle: The model.
    """
    resolution = f"{bundle.resolution_m:g} m a pixel" if bundle.resolution_m else "imagery without a known resolution"
    decision = "largest probability" if bundle.threshold is None else f"probability of at least {bundle.threshold:.3f}"
    classes = [name for index, name in enumerate(bundle.legend.names) if index != bundle.legend.background]
    if file := bundle.data.get("imported_from"):
        version, digest = bundle.data.get("keras_version"), str(bundle.data.get("sha256"))
        origin = f"Imported from {file}, a model of Keras {version} (sha256 {digest}); its training data are not known"
    else:
        images = ", ".join(f"{count} in {split}" for split, count in bundle.data.get("images", {}).items())
        origin = f"Trained on {bundle.data.get('name')}: {images} images"
    int8 = []
    if bundle.int8:
        change = bundle.int8["iou_change_points"]
        points = "unknown" if change is None else f"{change:+.2f} points"
        int8 = [
            f"- Quantised to int8, {bundle.int8['agreement']:.2%} of the labels are those of fp32; IoU {points}, "
            f"evaluated on {bundle.int8['iou_from']}"
        ]
    lines = [
        f"# {bundle.model.get('architecture')} for {', '.join(classes)}",
        "",
        f"- Input: {bundle.in_channels} bands of {bundle.dtype}, {resolution}",
        f"- Classes: {', '.join(bundle.legend.names)}; chosen by the {decision}",
        f"- {origin}",
        *_metric_lines(bundle),
        *int8,
        "",
        "The terms of the training data carry over to the maps of this model; look them up before you share one.",
        "",
        "```",
        "overland predict MODEL scene.tif map.tif",
        "```",
        "",
    ]
    return "\n".join(lines)


def _metric_lines(bundle: ModelBundle) -> list[str]:
    if "val" not in bundle.metrics:
        return []
    headline = bundle.metrics["val"]["headline"]
    mean = "mean IoU without unknown" if headline.get("key") == "miou_without_unknown" else "mean IoU"
    metric = f"IoU of {headline['class']}" if headline.get("class") else mean
    images = "synthetic scenes (no evidence for real imagery)" if bundle.data.get("synthetic") else "validation images"
    return [
        f"- {metric}, pooled over the {images}: {headline['value']:.3f} "
        f"({headline['confidence']:.0%} interval {headline['low']:.3f} to {headline['high']:.3f})"
    ]
