"""The version of Overland, as its installed metadata has it: that of the newest tag, or of a commit after it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

__all__ = ["__version__"]

try:
    __version__ = version("overland")
except PackageNotFoundError:  # the source tree on the path without an install
    __version__ = "0+unknown"
