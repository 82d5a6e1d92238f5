"""The verbs of the web: `serve` and `app`. What belongs to the extra `web` is imported when one of them runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from overland.errors import UsageError, import_extra
from overland.result import Result
from overland.web.jobs.limits import Limits, find_models

__all__ = ["OSM_TILES", "AppResult", "ServeResult", "app", "serve"]

OSM_TILES = "https://tile.openstreetmap.org/{z}/{x}/{y}.png"
"""Tiles of the base map, from OpenStreetMap."""


@dataclass(frozen=True)
class ServeResult(Result):
    """The end of a server.

    Args:
        url: Where it listened.
        jobs: How many jobs it knew when it stopped.
        unfinished: How many of them had not ended.
        kept: Whether those are kept for the next start.
    """

    url: str
    jobs: int
    unfinished: int
    kept: bool


@dataclass(frozen=True)
class AppResult(Result):
    """The end of the web app.

    Args:
        host: Address that it listened on.
        port: Port that it listened on.
    """

    host: str
    port: int


def serve(
    *,
    models: Sequence[str | Path],
    host: str = "127.0.0.1",
    port: int = 8000,
    api_key_file: str | Path | None = None,
    jobs_folder: str | Path | None = None,
    allowed_hosts: Sequence[str] = (),
    max_bytes: int | None = None,
    max_pixels: int | None = None,
    max_bands: int | None = None,
    memory_mb: int | None = None,
    timeout_s: float | None = None,
    queue: int | None = None,
    per_client: int | None = None,
    workers: int | None = None,
    large_workers: int | None = None,
    keep_s: float | None = None,
    sync_pixels: int | None = None,
    wait_s: float | None = None,
) -> ServeResult:
    """Serve models over HTTP: images in, masks, polygons, roads and areas out.

    POST an image to /v1/segment and wait for its map, or to /v1/jobs and fetch it later. The interface is described at
    /openapi.json. Stops at SIGTERM or Ctrl-C; given a jobs folder, no accepted job is lost.

    Args:
        models: A bundle, a folder that holds bundles, or the name of a pretrained model; may be given several times.
        host: Address to listen on; 0.0.0.0 is every one.
        port: Port to listen on; 0 takes a free one.
        api_key_file: File with the key that clients must send  [default: the environment's OVERLAND_API_KEY, or none].
        jobs_folder: Where accepted jobs are kept over restarts: a new folder, an empty one, or that of an earlier
            server  [default: a temporary folder, lost at the end].
        allowed_hosts: A name by which clients may call this server, beside its address and localhost; may be given
            several times, * is every name  [default: every name where it listens on every address].

    Returns:
        Where it listened, and the jobs that had not ended when it stopped.

    Raises:
        UsageError: There is no model, the port is taken, the key file holds none, or the jobs folder is not a server's.
        DataError: A model is damaged.
    """
    import_extra("fastapi", "web", "The service")
    import_extra("uvicorn", "web", "The service")
    import_extra("prometheus_client", "web", "The service")
    from overland.web.rest.server import run_server

    limits = _limits(
        max_bytes=max_bytes,
        max_pixels=max_pixels,
        max_bands=max_bands,
        memory_mb=memory_mb,
        timeout_s=timeout_s,
        queue=queue,
        per_client=per_client,
        workers=workers,
        large_workers=large_workers,
        keep_s=keep_s,
        sync_pixels=sync_pixels,
        wait_s=wait_s,
    )
    stopped = run_server(
        models,
        host=host,
        port=port,
        api_key=_api_key(api_key_file),
        jobs_folder=None if jobs_folder is None else Path(jobs_folder),
        allowed_hosts=allowed_hosts,
        limits=limits,
    )
    return ServeResult(stopped.url, stopped.jobs, stopped.unfinished, jobs_folder is not None)


def app(
    *,
    models: Sequence[str | Path] = (),
    host: str = "127.0.0.1",
    port: int = 8501,
    tiles: str = OSM_TILES,
    max_bytes: int | None = None,
    max_pixels: int | None = None,
    max_bands: int | None = None,
    memory_mb: int | None = None,
    timeout_s: float | None = None,
    queue: int | None = None,
    per_client: int | None = None,
    workers: int | None = None,
    large_workers: int | None = None,
    keep_s: float | None = None,
    sync_pixels: int | None = None,
) -> AppResult:
    """Serve the web app: drop an image, see the map, take the files home.

    It opens with a synthetic example. Uploads are private to the session and deleted when it ends. Nothing is fetched
    from elsewhere but, where a user switches it on, the tiles of the base map. There is no password: to let others in,
    put it behind a proxy that asks for one.

    Args:
        models: A bundle, a folder that holds bundles, or the name of a pretrained model; may be given several times
            [default: runs/**/weights/best].
        host: Address to listen on; 0.0.0.0 is every one.
        port: Port to listen on.
        tiles: Address of the base map's tiles, with {z}/{x}/{y}; empty for no base map.

    Returns:
        Where it listened, when it has been stopped.

    Raises:
        UsageError: A folder holds no model, the port is taken, or Streamlit is not installed.
        DataError: A model is damaged.
    """
    import_extra("streamlit", "web", "The web app")
    from overland.web.app.launch import AppSettings, launch, models_of_runs

    limits = _limits(
        max_bytes=max_bytes,
        max_pixels=max_pixels,
        max_bands=max_bands,
        memory_mb=memory_mb,
        timeout_s=timeout_s,
        queue=queue,
        per_client=per_client,
        workers=workers,
        large_workers=large_workers,
        keep_s=keep_s,
        sync_pixels=sync_pixels,
    )
    folders = (Path(models),) if isinstance(models, str | Path) else tuple(map(Path, models))
    if folders:
        # In words and at once, not on the page of whoever opens it first.
        find_models(folders)
    launch(AppSettings(folders or tuple(models_of_runs(Path.cwd())), limits, tiles), host=host, port=port)
    return AppResult(host, port)


def _limits(**values: float | None) -> Limits:
    given = {name: value for name, value in values.items() if value is not None}
    return Limits(**given)  # type: ignore[arg-type] # the callers say int where the field is one


def _api_key(path: str | Path | None) -> str | None:
    if path is None:
        return os.environ.get("OVERLAND_API_KEY") or None
    try:
        key = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--api-key-file {path} cannot be read ({error}).") from None
    if not key:
        raise UsageError(f"--api-key-file {path} holds no key.")
    return key
