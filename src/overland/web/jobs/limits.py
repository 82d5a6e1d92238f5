"""The models that a server offers: bundles found in folders, known by names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from overland.bundle import ModelBundle, load_bundle
from overland.errors import UsageError
from overland.zoo import zoo_models

__all__ = ["find_models"]


def find_models(folders: Path | Sequence[Path]) -> dict[str, ModelBundle]:
    """The bundles that folders are or hold, at any depth.

    The name of a model in the box stands for its folder where there is no other of that name. A model is known by the
    name of its folder, with its parents' where that is not unique. Raises `UsageError` where
    there is none, `DataError` for a damaged one.
    """
    given = [Path(folders)] if isinstance(folders, str | Path) else [Path(root) for root in folders]
    roots = [root if root.exists() else zoo_models().get(str(root), root) for root in given]
    paths = sorted({path.parent.resolve() for root in roots for path in root.rglob("overland.json")})
    if not paths:
        raise UsageError(f"There is no model in {', '.join(map(str, roots))}; name a folder that holds bundles.")
    return {name: load_bundle(path) for name, path in _named(paths).items()}


def _named(paths: Sequence[Path], parts: int = 1) -> dict[str, Path]:
    names = ["-".join(path.parts[-parts:]) for path in paths]
    if len(set(names)) == len(names):
        return dict(zip(names, paths, strict=True))
    return _named(paths, parts + 1)
