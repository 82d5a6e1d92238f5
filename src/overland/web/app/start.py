"""The script that Streamlit runs, once for each session and each touch of a control; the page itself is in `page`."""

from __future__ import annotations

import sys

from overland.web.app.launch import settings_from_arguments
from overland.web.app.page import show_page

__all__: list[str] = []

if __name__ == "__main__":
    show_page(settings_from_arguments(sys.argv[1:]))
