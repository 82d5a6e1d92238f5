from __future__ import annotations

import pytest

from overland.web.refusals import RefusedError
from overland.web.rest.requests import preferred_type

OFFERED = ("application/json", "image/png", "image/tiff")


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("image/png", "image/png"),
        ("IMAGE/PNG", "image/png"),
        ("image/*", "image/png"),
        ("image/*, image/png;q=0.1", "image/tiff"),
        ("text/html, image/tiff;q=0.5, */*;q=0.1", "image/tiff"),
        ("image/png;q=oops, image/tiff", "image/tiff"),
        ("application/json;q=0, */*", "image/png"),
    ],
)
def test_preferred_type(accept: str, wanted: str) -> None:
    assert preferred_type(accept, OFFERED) == wanted


def test_nothing_acceptable() -> None:
    with pytest.raises(RefusedError) as caught:
        preferred_type("text/html", OFFERED)
    assert caught.value.status == 406
