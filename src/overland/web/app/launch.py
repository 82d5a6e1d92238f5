"""Start Streamlit on the page, in this process, with nothing that looks or reports elsewhere."""

from __future__ import annotations

import json
import math
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from overland.errors import UsageError, import_extra
from overland.web.app.theme import theme_options
from overland.web.jobs.limits import Limits

__all__ = [
    "OSM_TILES",
    "AppSettings",
    "find_models",
    "launch",
    "settings_from_arguments",
    "settings_to_arguments",
    "streamlit_arguments",
    "upload_mb",
]


# What the app was started with, and how it reaches the page's script.

OSM_TILES = "https://tile.openstreetmap.org/{z}/{x}/{y}.png"


@dataclass(frozen=True)
class AppSettings:
    """The folders with models (bundles, or folders of them), the bounds of an upload, and the tiles of the base map.

    `tiles` is the address of z/x/y tiles that a visitor may switch on; empty for no base map at all.
    """

    models: tuple[Path, ...] = ()
    limits: Limits = field(default_factory=Limits)
    tiles: str = OSM_TILES


def settings_to_arguments(settings: AppSettings) -> list[str]:
    """The arguments of the page's script."""
    values = {"models": [str(path) for path in settings.models], "limits": asdict(settings.limits)}
    return [json.dumps({**values, "tiles": settings.tiles})]


def settings_from_arguments(arguments: Sequence[str]) -> AppSettings:
    """Read what `settings_to_arguments` gave."""
    values = json.loads(arguments[0])
    return AppSettings(tuple(map(Path, values["models"])), Limits(**values["limits"]), values["tiles"])


_MEGA = 1e6


def launch(settings: AppSettings, *, host: str = "127.0.0.1", port: int = 8501) -> None:
    """Serve the app until it is stopped. Raises `UsageError` when the port is taken or Streamlit is not installed."""
    streamlit = import_extra("streamlit.web.cli", "web", "The web app")
    _check_port(host, port)
    streamlit.main(args=streamlit_arguments(settings, host, port), prog_name="streamlit", standalone_mode=False)


def streamlit_arguments(settings: AppSettings, host: str, port: int) -> list[str]:
    """The command line of Streamlit: the page, its options, and the settings behind `--`."""
    options = {
        "server.address": host,
        "server.port": str(port),
        "server.headless": "true",
        "server.enableXsrfProtection": "true",
        "server.enableCORS": "true",
        "server.fileWatcherType": "none",
        "server.maxUploadSize": str(upload_mb(settings)),
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "client.showErrorLinks": "false",
        "runner.magicEnabled": "false",
        **theme_options(),
    }
    page = Path(__file__).with_name("start.py")
    flags = [f"--{name}={value}" for name, value in options.items()]
    return ["run", str(page), *flags, "--", *settings_to_arguments(settings)]


def upload_mb(settings: AppSettings) -> int:
    """The largest upload in whole megabytes, as Streamlit counts them."""
    return max(1, math.ceil(settings.limits.max_bytes / _MEGA))


def find_models(folder: Path) -> list[Path]:
    """The models of the runs below a folder: `runs/**/weights/best`, sorted."""
    return sorted(path.parent for path in folder.glob("runs/**/weights/best/overland.json"))


def _check_port(host: str, port: int) -> None:
    kind = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(kind, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UsageError(
                f"The app cannot listen on {host}, port {port} ({error.strerror}). Choose another --port or --host."
            ) from error
