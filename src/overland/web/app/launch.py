"""Start of the web app: Streamlit on the page, in this process, with nothing that looks or reports elsewhere."""

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
    "AppSettings",
    "launch",
    "models_of_runs",
    "settings_from_arguments",
    "settings_to_arguments",
    "streamlit_arguments",
    "upload_mb",
]

_MEGA = 1e6


@dataclass(frozen=True)
class AppSettings:
    """Settings that the app was started with.

    Args:
        models: Folders that are bundles or hold bundles.
        limits: Bounds of an upload and of the work on it.
        tiles: Address of z/x/y tiles that a user may switch on as a base map; empty for none.
    """

    models: tuple[Path, ...] = ()
    limits: Limits = field(default_factory=Limits)
    tiles: str = ""


def launch(settings: AppSettings, *, host: str = "127.0.0.1", port: int = 8501) -> None:
    """Serve the app until it is stopped.

    Args:
        settings: Settings of the app.
        host: Address to listen on.
        port: Port to listen on.

    Raises:
        UsageError: The port is taken, or Streamlit is not installed.
    """
    streamlit = import_extra("streamlit.web.cli", "web", "The web app")
    kind = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(kind, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise UsageError(
                f"The app cannot listen on {host}, port {port} ({error}). Choose another --port or --host."
            ) from error
    streamlit.main(args=streamlit_arguments(settings, host, port), prog_name="streamlit", standalone_mode=False)


def models_of_runs(folder: Path) -> list[Path]:
    """List the models of the runs below a folder: `runs/**/weights/best`, sorted.

    Args:
        folder: The folder that holds `runs`.
    """
    return sorted(path.parent for path in folder.glob("runs/**/weights/best/overland.json"))


def streamlit_arguments(settings: AppSettings, host: str, port: int) -> list[str]:
    """Return the command line of Streamlit: the page, its options, and the settings behind `--`.

    Args:
        settings: Settings of the app.
        host: Address to listen on.
        port: Port to listen on.
    """
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
    """Return the largest upload in whole megabytes, as Streamlit counts them.

    Args:
        settings: Settings of the app.
    """
    return max(1, math.ceil(settings.limits.max_bytes / _MEGA))


def settings_to_arguments(settings: AppSettings) -> list[str]:
    """Return the settings as arguments of the page's script.

    Args:
        settings: Settings of the app.
    """
    values = {"models": [str(path) for path in settings.models], "limits": asdict(settings.limits)}
    return [json.dumps({**values, "tiles": settings.tiles})]


def settings_from_arguments(arguments: Sequence[str]) -> AppSettings:
    """Read settings from the arguments of `settings_to_arguments`.

    Args:
        arguments: Arguments of the page's script.
    """
    values = json.loads(arguments[0])
    return AppSettings(tuple(map(Path, values["models"])), Limits(**values["limits"]), values["tiles"])
