"""The job queue of the tests of the service, on which the endpoint's tests stand as well."""

from __future__ import annotations

import importlib.util

if importlib.util.find_spec("fastapi"):
    from web.conftest import half_bright, models, queue

    __all__ = ["half_bright", "models", "queue"]
