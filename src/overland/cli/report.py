"""overland report."""

from __future__ import annotations

import click

from overland.cli.console import Outcome, common_options, examples

__all__ = ["command"]


@click.command(
    "report",
    epilog=examples(
        "overland report runs/segment/roads",
        "overland report model --output report.html --evaluation evaluations/model-roads-test",
        "overland report runs/segment/roads --scene scene.tif --mask mask.tif --roads roads.gpkg --overwrite",
        "overland report model -o report.html --scene scene.tif --roads roads.gpkg --picture roads.png",
    ),
)
@click.argument("run_or_model", type=click.Path())
@click.option("-o", "--output", type=click.Path(), help="The page [report.html in the run folder].")
@click.option("--evaluation", type=click.Path(), help="Folder of an evaluation to show first.")
@click.option("--scene", type=click.Path(), help="A scene to show as a map; mapped here when nothing is laid over it.")
@click.option("--mask", type=click.Path(), help="The class map of the scene, laid over it.")
@click.option("--roads", type=click.Path(), help="Road lines, drawn over the scene.")
@click.option("--polygons", type=click.Path(), help="Polygons, drawn over the scene.")
@click.option("--picture", type=click.Path(), help="PNG of the roads by confidence, or of the polygons by class.")
@click.option("--roads-before", type=click.Path(), help="Roads without bridged gaps, to stand beside in --picture.")
@click.option("--overwrite", is_flag=True, help="Replace the output if it exists.")
@common_options
def command(
    run_or_model: str,
    output: str | None,
    evaluation: str | None,
    scene: str | None,
    mask: str | None,
    roads: str | None,
    polygons: str | None,
    picture: str | None,
    roads_before: str | None,
    overwrite: bool,
) -> Outcome:
    """Write one self-contained HTML page on RUN_OR_MODEL, a run folder or a model bundle.

    It shows what was trained on what, scores, curves, pictures and, with --scene, the map.
    """
    from overland.workflows.report import make_report

    values = make_report(
        run_or_model,
        output=output,
        evaluation=evaluation,
        scene=scene,
        mask=mask,
        roads=roads,
        polygons=polygons,
        picture=picture,
        roads_before=roads_before,
        overwrite=overwrite,
    )
    return Outcome(values, f"Open {values['report']} in a browser.")
