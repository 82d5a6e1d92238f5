from __future__ import annotations

from pathlib import Path

from overland.web.app.launch import AppSettings, settings_from_arguments, settings_to_arguments
from overland.web.jobs.limits import Limits


def test_settings_reach_the_script_as_they_are() -> None:
    settings = AppSettings((Path("/models/a"), Path("b c")), Limits(max_bytes=5_000_000, keep_s=90), "")
    assert settings_from_arguments(settings_to_arguments(settings)) == settings
