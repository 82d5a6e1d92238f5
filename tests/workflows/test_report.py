import shutil
from dataclasses import replace

import numpy as np
import pytest
import shapely
from affine import Affine
from PIL import Image

from models_made import threshold_bundle
from overland.errors import DataError, UsageError
from overland.metrics import summary_from_confusions
from overland.raster import Grid, write_class_map
from overland.vector import Layer, write_features
from overland.workflows.evaluate import evaluate
from overland.workflows.report import report
from scenes import ROAD_LEGEND, utm_grid, write_image, write_road_dataset

SUMMARY = summary_from_confusions([np.array([[90, 2], [3, 5]]), np.array([[80, 4], [6, 10]])], ROAD_LEGEND)
RESULTS = "epoch,time_s,lr,train/loss,val/loss,val/iou,val/miou\n1,3,.1,1,.9,.2,.5\n2,6,.05,.8,.8,.3,.6\n"


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "runs" / "first"
    _bundle(folder / "weights" / "best")
    (folder / "results.csv").write_text(RESULTS)
    return folder


def _bundle(path, *, synthetic=False, metrics=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    metrics = {"val": SUMMARY} if metrics is None else metrics
    data = {"name": "roads", "synthetic": synthetic, "notes": ["<b>raw</b>"]}
    return threshold_bundle(path, bands=3, metrics=metrics, data=data, training={"epochs": 2}).path


def _page(values):
    return values.report.read_text(encoding="utf-8")


def test_a_run_is_shown_with_its_scores_and_curves(run):
    values = report(run)
    page = _page(values)

    assert values.report == run / "report.html"
    assert list(values.sections) == ["Metrics: validation images", "Training", "Data", "Model"]
    assert "<h1>first</h1>" in page
    assert "A made that maps road, trained on roads." in page
    assert "0.500" in page
    assert "&lt;b&gt;raw" in page
    assert "synthetic scenes" not in page


def test_a_bundle_in_a_run_and_one_alone_are_shown_too(run, tmp_path):
    assert "Training" in report(run / "weights" / "best", output=tmp_path / "a.html").sections
    alone = shutil.copytree(run / "weights" / "best", tmp_path / "alone")
    assert "Training" not in report(alone, output=tmp_path / "b.html").sections


def test_scores_of_made_scenes_are_called_synthetic(tmp_path):
    page = _page(report(_bundle(tmp_path / "m", synthetic=True), output=tmp_path / "r.html"))

    assert page.count("synthetic scenes") >= 4


def test_a_bundle_without_scores_is_shown_without(tmp_path):
    values = report(_bundle(tmp_path / "m", metrics={}), output=tmp_path / "r.html")

    assert list(values.sections) == ["Data", "Model"]


def test_bare_scores_are_enough(tmp_path):
    values = report(_bundle(tmp_path / "m", metrics={"val": SUMMARY["pooled"]}), output=tmp_path / "r.html")

    assert "Metrics: validation images" in list(values.sections)


def test_an_evaluation_comes_first_with_its_pictures(run, tmp_path):
    data = write_road_dataset(tmp_path / "set", train=1, val=2, side=48)
    evaluate(run / "weights" / "best", data, output=tmp_path / "ev")
    values = report(run, evaluation=tmp_path / "ev")

    assert values.sections[0] == "Pictures"
    assert values.sections[1].startswith("Metrics: ")
    assert values.sections[1].endswith(", validation images")
    with pytest.raises(DataError, match=r"metrics\.json"):
        report(run, evaluation=tmp_path, overwrite=True)


def test_a_scene_is_shown_as_a_map(run, tmp_path):
    grid = utm_grid(60, 80, 10)
    scene = write_image(tmp_path / "scene.tif", np.full((3, 60, 80), 90, np.uint8), grid)
    mask = np.zeros((60, 80), np.uint8)
    mask[:6] = 1
    write_class_map(tmp_path / "mask.tif", mask, grid, ROAD_LEGEND)
    lines = np.array([shapely.LineString([(500_000, 5_200_000), (500_800, 5_199_400)])])
    write_features(tmp_path / "roads.gpkg", [Layer("roads", "LineString", lines, {}, grid.crs)])
    boxes = np.array([shapely.box(500_100, 5_199_700, 500_300, 5_199_900, ccw=False)])
    write_features(tmp_path / "areas.gpkg", [Layer("areas", "Polygon", boxes, {}, grid.crs)])

    page = _page(
        report(
            run,
            scene=scene,
            mask=tmp_path / "mask.tif",
            roads=tmp_path / "roads.gpkg",
            polygons=tmp_path / "areas.gpkg",
        )
    )
    assert "4.8 ha" in page
    assert "1.00 km in 1 line" in page
    assert "M0.0 0.0L80.0 60.0" in page
    assert "show-outlines" in page


def test_a_scene_alone_is_mapped_by_the_model(run, tmp_path):
    grid = utm_grid(20, 20)
    scene = write_image(tmp_path / "scene.tif", np.full((3, 20, 20), 90, np.uint8), grid)

    assert "No mask was given" not in _page(report(run, scene=scene))


def test_a_scene_with_roads_and_no_mask_says_so(run, tmp_path):
    grid = utm_grid(20, 20)
    scene = write_image(tmp_path / "scene.tif", np.full((3, 20, 20), 90, np.uint8), grid)
    write_features(tmp_path / "roads.gpkg", [Layer("roads", "LineString", np.zeros(0, object), {}, grid.crs)])

    page = _page(report(run, scene=scene, roads=tmp_path / "roads.gpkg", output=tmp_path / "r.html"))

    assert "No mask was given" in page


def test_a_mask_of_another_size_or_without_names_is_refused(run, tmp_path):
    scene = write_image(tmp_path / "scene.tif", np.full((3, 20, 20), 90, np.uint8), utm_grid(20, 20))
    write_class_map(tmp_path / "mask.tif", np.zeros((10, 10), np.uint8), utm_grid(10, 10), ROAD_LEGEND)

    with pytest.raises(DataError, match="10 x 10"):
        report(run, scene=scene, mask=tmp_path / "mask.tif")
    with pytest.raises(DataError, match="no class names"):
        report(run, scene=scene, mask=scene)
    with pytest.raises(UsageError, match="--scene"):
        report(run, mask=scene)
    assert not (run / "report.html").exists()


def test_a_mask_that_lies_elsewhere_is_refused(run, tmp_path):
    grid = utm_grid(20, 20)
    a, b, c, d, e, f = grid.transform[:6]
    moved = replace(grid, transform=type(grid.transform)(a, b, c + 50, d, e, f))
    scene = write_image(tmp_path / "scene.tif", np.full((3, 20, 20), 90, np.uint8), grid)
    write_class_map(tmp_path / "mask.tif", np.zeros((20, 20), np.uint8), moved, ROAD_LEGEND)
    with pytest.raises(DataError, match="do not lie on one grid"):
        report(run, scene=scene, mask=tmp_path / "mask.tif")


def test_the_page_replaces_no_input(run, tmp_path):
    scene = write_image(tmp_path / "scene.tif", np.full((3, 20, 20), 90, np.uint8), utm_grid(20, 20))
    (tmp_path / "page.html").symlink_to(scene)
    with pytest.raises(UsageError, match="is an input"):
        report(run, scene=scene, output=tmp_path / "page.html", overwrite=True)


def test_a_mask_of_another_place_is_refused(run, tmp_path):
    scene = write_image(tmp_path / "scene.tif", np.full((3, 20, 20), 90, np.uint8), utm_grid(20, 20))
    elsewhere = Grid(height=20, width=20, transform=Affine(1, 0, 500_050, 0, -1, 5_200_000), crs="EPSG:32633")
    write_class_map(tmp_path / "mask.tif", np.zeros((20, 20), np.uint8), elsewhere, ROAD_LEGEND)

    with pytest.raises(DataError, match="do not lie on one grid"):
        report(run, scene=scene, mask=tmp_path / "mask.tif")
    assert not (run / "report.html").exists()


def test_no_input_is_overwritten(run, tmp_path):
    scene = write_image(tmp_path / "scene.tif", np.full((3, 20, 20), 90, np.uint8), utm_grid(20, 20))
    scene = scene.rename(tmp_path / "scene.html")
    before = scene.read_bytes()

    with pytest.raises(UsageError, match="is an input"):
        report(run, scene=scene, output=scene, overwrite=True)
    assert scene.read_bytes() == before


def test_an_existing_page_is_not_replaced_unasked(run):
    report(run)

    with pytest.raises(UsageError, match="--overwrite"):
        report(run)
    report(run, overwrite=True)


def test_a_folder_that_is_neither_is_named(tmp_path):
    with pytest.raises(DataError, match="not a model bundle"):
        report(tmp_path / "nothing")


def test_roads_are_coloured_by_confidence_and_drawn_as_a_picture(run, tmp_path):
    grid = utm_grid(60, 80, 10)
    scene = write_image(tmp_path / "scene.tif", np.full((3, 60, 80), 90, np.uint8), grid)
    ends = [((500_000, 5_199_900), (500_800, 5_199_900)), ((500_400, 5_199_900), (500_400, 5_199_450))]
    lines = np.array([shapely.LineString(pair) for pair in ends])
    fields = {"mean_p": np.array([0.95, 0.3]), "gap_filled": np.array([0.0, 1.0])}
    write_features(tmp_path / "roads.gpkg", [Layer("edges", "LineString", lines, fields, grid.crs)])
    write_features(tmp_path / "before.gpkg", [Layer("edges", "LineString", lines[:1], {}, grid.crs)])
    pictures = {"picture": tmp_path / "map.png", "roads_before": tmp_path / "before.gpkg"}

    page = _page(report(run, scene=scene, roads=tmp_path / "roads.gpkg", **pictures))

    assert "probability 0.9 and more" in page
    assert "probability under 0.5, mostly over a gap" in page
    assert "stroke-dasharray" in page
    with Image.open(tmp_path / "map.png") as picture:
        assert picture.width > 2 * 700


def test_polygons_are_drawn_as_a_picture(run, tmp_path):
    grid = utm_grid(60, 80, 10)
    scene = write_image(tmp_path / "scene.tif", np.full((3, 60, 80), 90, np.uint8), grid)
    boxes = np.array([shapely.box(500_100, 5_199_500, 500_700, 5_199_900)])
    fields = {"name": np.array(["water"], dtype=object)}
    write_features(tmp_path / "land.gpkg", [Layer("land", "Polygon", boxes, fields, grid.crs)])

    report(run, scene=scene, polygons=tmp_path / "land.gpkg", picture=tmp_path / "map.png")

    with Image.open(tmp_path / "map.png") as picture:
        colors = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    filled = np.array([90, 90, 90]) * 0.45 + np.array([58, 124, 196]) * 0.55
    assert (np.abs(colors - filled).max(axis=1) < 4).mean() > 0.2


def test_a_picture_needs_something_to_show(run, tmp_path):
    scene = write_image(tmp_path / "scene.tif", np.full((3, 20, 20), 90, np.uint8), utm_grid(20, 20))

    with pytest.raises(UsageError, match="--roads or --polygons"):
        report(run, scene=scene, mask=scene, picture=tmp_path / "map.png")
    with pytest.raises(UsageError, match="--scene"):
        report(run, picture=tmp_path / "map.png")
