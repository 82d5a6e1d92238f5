"""overland serve."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from overland.cli.console import Outcome, common_options, examples, limit_options

__all__ = ["command"]


@click.command(
    "serve",
    epilog=examples(
        "overland serve --models roads",
        "overland serve --models runs/roads/weights/best",
        "overland serve --models models/ --jobs-folder jobs/ --api-key-file key.txt --port 8080",
        "curl -H 'Accept: image/png' --data-binary @scene.tif localhost:8000/v1/segment -o mask.png",
    ),
)
@click.option(
    "--models",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path),
    help="A bundle, a folder that holds bundles, or the name of a model in the box; may be given several times.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 is every one.")
@click.option("--port", type=int, default=8000, show_default=True, help="Port to listen on; 0 takes a free one.")
@click.option(
    "--api-key-file",
    type=click.Path(path_type=Path),
    help="File with the key that clients must send [default: the environment's OVERLAND_API_KEY, or none].",
)
@click.option(
    "--jobs-folder",
    type=click.Path(path_type=Path),
    help="Where accepted jobs are kept over restarts [default: a temporary folder, lost at the end].",
)
@limit_options()
@common_options
def command(
    models: tuple[Path, ...],
    host: str,
    port: int,
    api_key_file: Path | None,
    jobs_folder: Path | None,
    **limits: Any,
) -> Outcome:
    """Serve models over HTTP: images in, masks, polygons, roads and areas out.

    POST an image to /v1/segment and wait for its map, or to /v1/jobs and fetch it later. The interface is described at
    /openapi.json. Stops at SIGTERM without losing an accepted job, given --jobs-folder.
    """
    from overland.errors import import_extra

    import_extra("fastapi", "web", "The service")
    import_extra("uvicorn", "web", "The service")
    from overland.web.jobs.limits import Limits
    from overland.web.rest.server import serve

    serve(
        models,
        host=host,
        port=port,
        api_key=_api_key(api_key_file),
        jobs_folder=jobs_folder,
        limits=Limits(**limits),
    )
    return Outcome({}, "")


def _api_key(path: Path | None) -> str | None:
    if path is None:
        return os.environ.get("OVERLAND_API_KEY") or None
    try:
        key = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{path} cannot be read ({error}).", param_hint="--api-key-file") from None
    if not key:
        raise click.BadParameter(f"{path} holds no key.", param_hint="--api-key-file")
    return key
