"""The YAML of a dataset that we write ourselves: images/ and masks/ with ids, read back as they are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import yaml

from overland.legend import IGNORE_INDEX, Legend

__all__ = ["DESCRIBED_SPLITS", "write_description"]

DESCRIBED_SPLITS = ("train", "val", "test")


def write_description(folder: Path, legend: Legend, splits: Iterable[str], *, names_declared: bool = True) -> None:
    """Write data.yaml for images in `images/SPLIT` and masks of ids in `masks/SPLIT`, 255 for no label.

    Where no names were declared, a comment beside ours says so.
    """
    # Declared, although values are ids: masks that happen to hold 0 and 255 alone are then not open to a guess.
    values = {index: index for index in range(legend.num_classes)}
    tables = {
        "names": dict(enumerate(legend.names)),
        "palette": {index: list(color) for index, color in enumerate(legend.colors)},
        "label_mapping": {**values, IGNORE_INDEX: "ignore_label"},
    }
    lines = ["path: .", *(f"{split}: images/{split}" for split in splits), "masks_dir: masks"]
    lines += [] if names_declared else ["# The set declared no names; write the true ones here."]
    lines += [f"{name}: {_flow(table)}" for name, table in tables.items()]
    (folder / "data.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _flow(table: object) -> str:
    # On one line, as people write it.
    return yaml.safe_dump(table, default_flow_style=True, width=10_000, sort_keys=False, allow_unicode=True).strip()
