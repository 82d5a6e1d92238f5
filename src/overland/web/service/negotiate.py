"""Which representation a client wants, by its Accept header."""

from __future__ import annotations

from collections.abc import Sequence

from overland.web.errors import RefusedError

__all__ = ["preferred_type"]


def preferred_type(accept: str, offered: Sequence[str]) -> str:
    """The offered media type that an Accept header likes best; the first of equals, the first of all without one.

    Raises `RefusedError` 406 when it accepts none of them. Source: RFC 9110, 12.5.1.
    """
    ranges = [_parsed(part) for part in accept.split(",") if part.strip()] or [("*/*", 1.0)]
    best = max(offered, key=lambda media_type: _quality(media_type, ranges))
    if _quality(best, ranges) <= 0:
        raise RefusedError(406, "Not acceptable", f"This is offered as {', '.join(offered)}.")
    return best


def _parsed(part: str) -> tuple[str, float]:
    media_range, *parameters = (item.strip() for item in part.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return media_range.lower(), float(value)
            except ValueError:
                return media_range.lower(), 0.0
    return media_range.lower(), 1.0


def _quality(media_type: str, ranges: Sequence[tuple[str, float]]) -> float:
    # The most specific range that fits decides.
    for wanted in (media_type, f"{media_type.partition('/')[0]}/*", "*/*"):
        for media_range, quality in ranges:
            if media_range == wanted:
                return quality
    return 0.0
