"""What a visitor reads when something goes wrong: one clear message, never a traceback."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from overland.errors import OverlandError
from overland.web.errors import RefusedError

__all__ = ["plain_text", "show_error", "shown_errors"]

logger = logging.getLogger("overland")

# The folders of our own files are nothing to a visitor.
_FOLDERS = re.compile(r"(?<![\w/])/(?:[\w.+-]+/)+")
_SPECIAL = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_{}[]()<>#+!|~$:"})


@contextmanager
def shown_errors() -> Iterator[None]:
    """Turn an error into a message on the page; work after the `with` block goes on."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - the last resort before a visitor would see a traceback
        show_error(error)


def show_error(error: Exception) -> None:
    """Show an error as a message. What nobody foresaw gets an id, under which its traceback is in the server's log."""
    if isinstance(error, RefusedError):
        text = f"**{plain_text(error.title)}.** {plain_text(error.detail)}"
    elif isinstance(error, OverlandError):
        text = plain_text(_FOLDERS.sub("", str(error)))
    else:
        number = uuid.uuid4().hex[:8]
        logger.error("Fault %s on the page", number, exc_info=error)
        text = (
            f"Something went wrong that should not have; it is in the server's log as {number}. "
            "Your other results are still here."
        )
    st.error(text, icon=":material/error:")


def plain_text(text: str) -> str:
    """Text of a stranger as Markdown that shows it as it is."""
    return text.translate(_SPECIAL)
