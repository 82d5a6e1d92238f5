"""`overland app`: the web app."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from overland.cli.console import Outcome, common_options, examples, limit_options

__all__ = ["command"]


@click.command(
    "app",
    epilog=examples(
        "overland app",
        "overland app --models runs/segment/roads/weights/best",
        "overland app --models models --port 8080",
        "overland app --models models --host 0.0.0.0 --max-bytes 64M --max-pixels 25M --tiles ''",
    ),
)
@click.option(
    "--models",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    multiple=True,
    help="Folder that is a model or holds models; may be given several times.  [default: runs/**/weights/best]",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for every network.")
@click.option("--port", type=click.IntRange(1, 65535), default=8501, show_default=True, help="Port to listen on.")
@limit_options("max_bytes", "max_pixels", "max_bands", "memory_mb", "timeout_s", "queue", "workers", "keep_s")
@click.option(
    "--tiles",
    metavar="URL",
    help="Tiles of the base map, {z}/{x}/{y}, which a visitor may switch on; '' for none.  [default: OpenStreetMap]",
)
@common_options
def command(models: tuple[Path, ...], host: str, port: int, tiles: str | None, **limits: Any) -> Outcome:
    """Serve the web app: drop an image, see the map, take the files home.

    It opens with a made example. Uploads are private to the visit and deleted when it ends. Nothing is fetched from
    elsewhere but, where a visitor switches it on, the tiles of the base map. There is no password: to let others in,
    put it behind a proxy that asks for one.
    """
    from overland.web.app.launch import OSM_TILES, AppSettings, find_models, launch
    from overland.web.jobs.limits import Limits

    folders = models or tuple(find_models(Path.cwd()))
    launch(AppSettings(folders, Limits(**limits), OSM_TILES if tiles is None else tiles), host=host, port=port)
    return Outcome({"host": host, "port": port}, "The app has stopped.")
