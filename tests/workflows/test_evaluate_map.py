import os
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from overland.errors import DataError, UsageError
from overland.legend import legend_from_names
from overland.raster import Grid, create_raster, read_image, write_class_map
from overland.workflows.evaluate_map import evaluate_map
from scenes import ROAD_LEGEND, utm_grid, write_image

GRID = utm_grid(40, 60)


def _mask(path, mask, grid=GRID):
    write_class_map(path, mask, grid, ROAD_LEGEND)
    return path


def _labels(path, labels, grid=GRID):
    return write_image(path, labels[None], grid)


@pytest.fixture
def truth():
    truth = np.zeros((40, 60), np.uint8)
    truth[10:20] = 1
    return truth


def test_scores_of_two_rasters(tmp_path, truth):
    mask = np.zeros_like(truth)
    mask[15:20] = 1
    values = evaluate_map(_mask(tmp_path / "m.tif", mask), _labels(tmp_path / "t.tif", truth), output=tmp_path / "out")

    assert values.pooled["iou"] == values.pooled["recall"] == 0.5
    assert values.unpredicted_fraction == 0
    assert values.output == str(tmp_path / "out")


def test_blocks_add_up(tmp_path, truth, monkeypatch):
    monkeypatch.setattr("overland.workflows.evaluate_map._BLOCK", 16)
    values = evaluate_map(_mask(tmp_path / "m.tif", truth), _labels(tmp_path / "t.tif", truth), output=tmp_path / "out")

    assert values.confusion == [[1800, 0], [0, 600]]
    assert values.images == 3 * 4
    assert "block" in values.unit


def test_roads_run_on_from_block_to_block(tmp_path, truth, monkeypatch):
    monkeypatch.setattr("overland.workflows.evaluate_map._BLOCK", 16)
    roads = evaluate_map(
        _mask(tmp_path / "m.tif", truth), _labels(tmp_path / "t.tif", truth), roads=True, output=tmp_path / "out"
    ).roads

    assert roads["relaxed_precision_3px"] == roads["relaxed_recall_3px"] == roads["cldice"] == 1
    assert roads["components_truth"] == roads["components_prediction"] == roads["roads"] == 1
    assert roads["broken"] == roads["missed"] == 0


def test_pixels_without_label_or_prediction_are_left_out(tmp_path, truth):
    mask = truth.copy()
    mask[0] = 255
    truth[39] = 255
    values = evaluate_map(_mask(tmp_path / "m.tif", mask), _labels(tmp_path / "t.tif", truth), output=tmp_path / "out")

    assert np.sum(values.confusion) == 38 * 60
    assert values.unpredicted_fraction == pytest.approx(1 / 39)


def test_names_may_be_given(tmp_path, truth):
    bare = _labels(tmp_path / "m.tif", truth)
    labels = _labels(tmp_path / "t.tif", truth)

    with pytest.raises(DataError, match="--names"):
        evaluate_map(bare, labels, output=tmp_path / "out")
    values = evaluate_map(bare, labels, names=["background", "river"], output=tmp_path / "out")
    assert values.pooled["classes"]["river"]["iou"] == 1


def test_labels_of_0_and_255_are_not_taken_for_unlabelled(tmp_path, truth):
    with pytest.raises(DataError, match="0 and 255"):
        evaluate_map(
            _mask(tmp_path / "m.tif", truth), _labels(tmp_path / "t.tif", truth * 255), output=tmp_path / "out"
        )
    assert not (tmp_path / "out").exists()


def test_rasters_of_two_grids_are_refused(tmp_path, truth):
    mask = _mask(tmp_path / "m.tif", truth)
    small = _labels(tmp_path / "small.tif", truth[:30], utm_grid(30, 60))
    moved = _labels(
        tmp_path / "moved.tif", truth, Grid(height=40, width=60, transform=Affine(1, 0, 0, 0, -1, 0), crs="EPSG:32633")
    )

    with pytest.raises(DataError, match="40 x 60.*30 x 60"):
        evaluate_map(mask, small, output=tmp_path / "out")
    with pytest.raises(DataError, match="one grid"):
        evaluate_map(mask, moved, output=tmp_path / "out")


def test_an_image_is_no_raster_of_labels(tmp_path, truth):
    image = write_image(tmp_path / "rgb.tif", np.stack([truth] * 3), GRID)

    with pytest.raises(DataError, match="3 bands"):
        evaluate_map(_mask(tmp_path / "m.tif", truth), image, output=tmp_path / "out")


def test_nothing_to_compare_is_an_error(tmp_path, truth):
    with create_raster(tmp_path / "t.tif", GRID, nodata=255) as writer:
        writer.write(np.full_like(truth, 255), GRID.window)

    with pytest.raises(DataError, match="nothing to compare"):
        evaluate_map(_mask(tmp_path / "m.tif", truth), tmp_path / "t.tif", output=tmp_path / "out")


@pytest.mark.real
def test_real_labels_against_themselves_are_right_everywhere(tmp_path):
    if "OVERLAND_DATA" not in os.environ:
        pytest.skip("OVERLAND_DATA is not set")
    labels = sorted(Path(os.environ["OVERLAND_DATA"], "rasters", "massachusetts").glob("*_labels.tif"))[0]
    (_, valid) = read_image(labels)
    values = evaluate_map(labels, labels, names=["background", "road"], output=tmp_path / "out")

    assert values.pooled["iou"] == 1
    assert np.sum(values.confusion) == valid.sum()


def test_outlines_and_patches_are_scored_when_asked_for(tmp_path, truth):
    mask = np.zeros_like(truth)
    mask[10:16] = 1
    values = evaluate_map(
        _mask(tmp_path / "m.tif", mask),
        _labels(tmp_path / "t.tif", truth),
        boundary="1",
        patches=10,
        output=tmp_path / "out",
    )

    # Rims of 60 x 10 and 60 x 6: the upper row and four more rows of two ends each are in both.
    rims, both = (136, 128), 60 + 2 * 5
    assert values.boundary["iou"] == pytest.approx(both / (sum(rims) - both))
    assert values.patches["from_mask"]["f1"] == 1
    assert "from_probabilities" not in values.patches


def test_the_same_place_by_another_name_is_the_same(tmp_path, truth):
    mask = _mask(tmp_path / "m.tif", truth)
    with_heights = Grid(height=40, width=60, transform=GRID.transform, crs="EPSG:32633+5773")
    found = evaluate_map(mask, _labels(tmp_path / "t.tif", truth, with_heights), output=tmp_path / "out")
    assert found.pooled["iou"] == 1


@pytest.mark.parametrize("shift", [40, 100_000])
@pytest.mark.parametrize("crs", [None, "EPSG:32633"])
def test_labels_at_another_place_are_refused_with_and_without_a_crs(tmp_path, truth, crs, shift):
    a, b, c, d, e, f = GRID.transform[:6]
    placed = Grid(height=40, width=60, transform=GRID.transform, crs=crs)
    moved = Grid(height=40, width=60, transform=Affine(a, b, c + shift, d, e, f))
    with pytest.raises(DataError, match="one grid"):
        evaluate_map(
            _mask(tmp_path / "m.tif", truth, placed), _labels(tmp_path / "t.tif", truth, moved), output=tmp_path / "out"
        )


def test_classes_are_compared_by_name(tmp_path, truth):
    names = ["background", "forest", "water"]
    ids = truth.copy()
    ids[30:] = 2
    other = np.choose(ids, [2, 0, 1]).astype(np.uint8)
    write_class_map(tmp_path / "m.tif", ids, GRID, legend_from_names(names))
    write_class_map(tmp_path / "t.tif", other, GRID, legend_from_names(["Forest", "Water", "background"]))
    assert evaluate_map(tmp_path / "m.tif", tmp_path / "t.tif", output=tmp_path / "a").pooled["miou"] == 1
    write_class_map(tmp_path / "u.tif", ids, GRID, legend_from_names(["background", "forest", "sand"]))
    with pytest.raises(DataError, match="'sand'"):
        evaluate_map(tmp_path / "m.tif", tmp_path / "u.tif", output=tmp_path / "b")
    by_id = evaluate_map(tmp_path / "m.tif", tmp_path / "u.tif", names=names, output=tmp_path / "b")
    assert by_id.pooled["miou"] == 1


@pytest.mark.parametrize("nodata", [None, -128])
def test_labels_may_be_signed_bytes(tmp_path, truth, nodata):
    mask = truth.copy()
    mask[:2] = 255
    labels = truth.astype(np.int8)
    if nodata is not None:
        labels[labels == 0] = nodata
    with create_raster(tmp_path / "t.tif", GRID, dtype="int8", nodata=nodata) as writer:
        writer.write(labels, GRID.window)
    found = evaluate_map(_mask(tmp_path / "m.tif", mask), tmp_path / "t.tif", output=tmp_path / "out")
    assert found.pooled["iou"] == 1


def test_a_folder_that_holds_the_map_is_not_replaced(tmp_path, truth):
    folder = tmp_path / "evaluation"
    mask = _mask(folder / "m.tif", truth)
    (folder / "metrics.json").touch()
    with pytest.raises(UsageError, match="holds the input"):
        evaluate_map(mask, _labels(tmp_path / "t.tif", truth), output=folder, overwrite=True)
    assert mask.exists()
