"""The query parameters of a mapping, the same for both ways to ask for one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends, Query

from overland.web.desk import Desk
from overland.web.errors import RefusedError

__all__ = ["MapParameters", "Parameters"]


@dataclass(frozen=True)
class MapParameters:
    """What a client may say of how its image is mapped."""

    model: str | None
    threshold: float | None
    bands: tuple[int, ...] | None
    tta: str | None

    def model_of(self, desk: Desk) -> str:
        """The model named, or the only one. Raises `RefusedError` 422 when there are several and none was named."""
        if self.model is not None:
            return self.model
        if len(desk.models) == 1:
            return next(iter(desk.models))
        raise RefusedError(422, "Which model?", f"Name one: ?model= with one of {', '.join(sorted(desk.models))}.")


def _parameters(
    model: Annotated[
        str | None, Query(description="Name of the model; may be left out where there is one.", max_length=200)
    ] = None,
    threshold: Annotated[
        float | None, Query(ge=0, le=1, description="Smallest probability of class 1, for a two-class model.")
    ] = None,
    bands: Annotated[
        str | None,
        Query(
            pattern=r"^[1-9]\d{0,3}(,[1-9]\d{0,3}){0,63}$",
            description="Bands to read, counted from 1, in the model's order.",
            examples=["1,2,3"],
        ),
    ] = None,
    tta: Annotated[
        Literal["flips", "d4"] | None, Query(description="Average over 4 or 8 turned copies: slower, a little better.")
    ] = None,
) -> MapParameters:
    numbers = None if bands is None else tuple(int(part) for part in bands.split(","))
    return MapParameters(model, threshold, numbers, tta)


Parameters = Annotated[MapParameters, Depends(_parameters)]
