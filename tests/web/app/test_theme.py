from __future__ import annotations

import logging

import pytest
from streamlit.testing.v1 import AppTest

from overland.web.app.theme import plain_text


def page(kind: str) -> None:
    from overland.errors import DataError
    from overland.web.app.theme import shown_errors
    from overland.web.refusals import TooLargeError

    errors = {
        "refused": TooLargeError("It has [many](http://x) pixels.", title="Too large"),
        "known": DataError("/tmp/overland-session-x/abc.tif holds no pixel."),
        "fault": ZeroDivisionError("secret of the server"),
    }
    with shown_errors():
        raise errors[kind]


@pytest.mark.parametrize(
    ("kind", "text"),
    [("refused", "**Too large.**"), ("known", "abc.tif holds no pixel."), ("fault", "in the server's log as")],
)
def test_each_error_is_one_message(kind: str, text: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "overland"):
        app = AppTest.from_function(page, args=(kind,)).run()
    (error,) = app.error
    assert text in error.value
    assert not app.exception
    assert "/tmp" not in error.value
    assert "secret" not in error.value
    assert bool(caplog.records) == (kind == "fault")


def test_marks_of_markdown_are_shown_as_they_are() -> None:
    assert plain_text("a_b*[c](d) :red[e] <i>") == r"a\_b\*\[c\]\(d\) \:red\[e\] \<i\>"
