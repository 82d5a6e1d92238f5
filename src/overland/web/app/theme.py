"""The look of the app: colours and type for light and dark, and how an error is shown: one message, no traceback."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from overland.errors import OverlandError
from overland.web.refusals import RefusedError

__all__ = [
    "ICON",
    "PAGE_CSS",
    "plain_text",
    "show_error",
    "shown_errors",
    "theme_options",
]


logger = logging.getLogger(__name__)

_COMMON = {"font": "sans-serif", "headingFont": "sans-serif", "baseRadius": "10px", "buttonRadius": "10px"}
_LIGHT = {
    "primaryColor": "#0f766e",
    "backgroundColor": "#fbfbf9",
    "secondaryBackgroundColor": "#f1f2ee",
    "textColor": "#1d2724",
    "borderColor": "#dfe2dc",
    "linkColor": "#0f766e",
}
_DARK = {
    "primaryColor": "#4fb8a8",
    "backgroundColor": "#121716",
    "secondaryBackgroundColor": "#1b2221",
    "textColor": "#e4e9e6",
    "borderColor": "#2c3634",
    "linkColor": "#6bcabb",
}

# Streamlit fetches an icon by name from elsewhere; a drawing comes with the page.
ICON = (
    '<svg viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#0f766e"/>'
    '<path d="M0 24C8 14 14 26 32 12V24a8 8 0 0 1-8 8H8a8 8 0 0 1-8-8Z" fill="#7cc4a4"/>'
    '<path d="M8 32C12 20 22 18 21 0" fill="none" stroke="#fff" stroke-width="3"/></svg>'
)

# What options cannot say: a page as wide as a screen needs and no wider, figures in columns, quiet captions.
PAGE_CSS = """
<style>
.block-container { max-width: 1360px; padding: 1.6rem 2rem 4rem; }
header[data-testid="stHeader"] { background: transparent; }
.brand { display: flex; align-items: baseline; gap: .8rem; flex-wrap: wrap; }
.brand b { font-size: 1.5rem; font-weight: 650; letter-spacing: -.02em; }
.brand span { opacity: .62; font-size: .95rem; }
.caption { opacity: .66; font-size: .86rem; line-height: 1.45; }
.facts { display: flex; flex-wrap: wrap; gap: .35rem .5rem; margin: .1rem 0 .2rem; }
.facts span { font-size: .8rem; padding: .12rem .6rem; border-radius: 99px;
  border: 1px solid color-mix(in srgb, currentColor 18%, transparent); }
.facts span.synthetic { background: color-mix(in srgb, #d98f1f 22%, transparent); border-color: transparent; }
.areas { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .93rem; }
.areas th { text-align: right; font-weight: 500; opacity: .6; padding: .3rem .6rem; border: 0; }
.areas td { text-align: right; padding: .42rem .6rem; border: 0;
  border-top: 1px solid color-mix(in srgb, currentColor 10%, transparent); }
.areas th:first-child, .areas td:first-child { text-align: left; padding-left: 0; }
.areas i { display: inline-block; width: .8rem; height: .8rem; border-radius: 3px; margin-right: .6rem;
  vertical-align: -.06rem; box-shadow: inset 0 0 0 1px rgb(128 128 128 / .35); }
.areas .bar { width: 34%; min-width: 70px; }
.areas .bar div { height: .5rem; border-radius: 99px; background: currentColor; min-width: 2px; }
.areas td.cell { text-align: center; }
.empty { display: grid; place-content: center; text-align: center; min-height: 46vh; border-radius: 12px;
  line-height: 1.9; border: 1.5px dashed color-mix(in srgb, currentColor 22%, transparent); }
.empty b { font-size: 1.15rem; }
.scroll { overflow-x: auto; }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1rem; font-size: .86rem; }
.legend i { display: inline-block; width: .75rem; height: .75rem; border-radius: 3px; margin-right: .4rem;
  vertical-align: -.05rem; box-shadow: inset 0 0 0 1px rgb(128 128 128 / .35); }
h4 { letter-spacing: -.01em; }
@media (max-width: 640px) { .block-container { padding: 1rem .9rem 3rem; } .brand span { flex-basis: 100%; } }
</style>
"""


def theme_options() -> dict[str, str]:
    """Return Streamlit's options for the look, by their names."""
    options = {f"theme.{name}": value for name, value in _COMMON.items()}
    for part, colors in (("light", _LIGHT), ("dark", _DARK)):
        options |= {f"theme.{part}.{name}": value for name, value in colors.items()}
    return options


# The folders of our own files are nothing to a user.
_FOLDERS = re.compile(r"(?<![\w/])/(?:[\w.+-]+/)+")
_SPECIAL = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_{}[]()<>#+!|~$:"})


@contextmanager
def shown_errors() -> Iterator[None]:
    """Turn an error into a message on the page; work after the `with` block goes on."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - the last resort before a user would see a traceback
        show_error(error)


def show_error(error: Exception) -> None:
    """Show an error as a message. What nobody foresaw gets an id, under which its traceback is in the server's log.

    Args:
        error: Any exception.
    """
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
    """Return text of others as Markdown that shows it unchanged.

    Args:
        text: Any text.
    """
    return text.translate(_SPECIAL)
