"""overland sagemaker: train and serve as the containers of Amazon SageMaker do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from overland.cli.console import AMOUNTS, Outcome, common_options, examples
from overland.cli.signature import options_from

if TYPE_CHECKING:
    pass

__all__ = ["command"]

_LIMITS = ("max_bytes", "max_pixels", "memory_mb", "workers", "queue", "wait_s")
_root_option = click.option(
    "--root",
    default="/opt/ml",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder of the job: input/, model/, output/, checkpoints/.",
)


@click.group()
def command() -> None:
    """Train and serve in Amazon SageMaker's containers."""


@command.command(
    epilog=examples(
        "overland sagemaker train",
        "overland sagemaker train --root made-job",
    )
)
@_root_option
@common_options
def train(root: Path) -> Outcome:
    """Run a training job: what a SageMaker container does when it is started with `train`.

    Reads the hyperparameters and channels under ROOT/input, prints a line for each metric, and writes the model to
    ROOT/model, figures and tables to ROOT/output/data and checkpoints to ROOT/checkpoints, from where a job that was
    cut off goes on. Hyperparameters are those of the built-in semantic segmentation, or `recipe` with settings of
    Overland. The reason of a failure stands in ROOT/output/failure.
    """
    from overland.sagemaker.train import train_job

    as_json = click.get_current_context().params["as_json"]
    result = train_job(root, os.environ, lambda line: click.echo(line, err=as_json))
    text = f"Model: {result.model}" if result.model else "No model: the job was stopped in its first epoch."
    if result.stopped:
        text = f"Stopped; the next job with these checkpoints goes on from {result.run}.\n{text}"
    else:
        text += f"\nFigures and tables: {result.output}"
    return Outcome(result, text)


@command.command(
    epilog=examples(
        "overland sagemaker serve",
        "overland sagemaker serve --root made-job --host 127.0.0.1",
        "curl -H 'Content-Type: image/jpeg' --data-binary @scene.jpg localhost:8080/invocations -o mask.png",
    )
)
@_root_option
@click.option("--host", default="0.0.0.0", show_default=True, help="Address to listen on; 0.0.0.0 is every one.")
@click.option(
    "--port",
    type=int,
    default=8080,
    show_default=True,
    envvar="SAGEMAKER_BIND_TO_PORT",
    help="Port to listen on; 0 takes a free one. Also SAGEMAKER_BIND_TO_PORT.",
)
@options_from(
    "overland.web.jobs.limits:Limits", *_LIMITS, types={name: AMOUNTS[name] for name in _LIMITS if name in AMOUNTS}
)
@common_options
def serve(root: Path, host: str, port: int, **limits: Any) -> Outcome:
    """Answer for a model: what a SageMaker container does when it is started with `serve`.

    The model lies in ROOT/model, or where SM_MODEL_DIR says. GET /ping answers 200 when images can be taken; POST
    /invocations takes a JPEG, PNG or TIFF and gives a PNG of class ids, or a GeoTIFF for Accept: image/tiff. Stops at
    SIGTERM when the images that are worked on are answered.
    """
    from overland.errors import import_extra

    import_extra("fastapi", "web", "The endpoint")
    import_extra("uvicorn", "web", "The endpoint")
    from overland.sagemaker.serve import make_sagemaker_app
    from overland.web.jobs.limits import Limits
    from overland.web.rest.server import run_server

    model = Path(os.environ.get("SM_MODEL_DIR") or root / "model")
    run_server(model, host=host, port=port, limits=Limits(**limits), app=make_sagemaker_app)
    return Outcome({}, "")
