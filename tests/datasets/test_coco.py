from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from overland.datasets.coco import draw_mask, mask_from_segmentation, read_coco
from overland.errors import DataError

BOX = [[2, 1, 6, 1, 6, 4, 2, 4]]


def box(height: int = 7, width: int = 9) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    mask[1:4, 2:6] = True
    return mask


def test_a_polygon_along_pixel_edges_fills_exactly_these_pixels() -> None:
    assert np.array_equal(mask_from_segmentation(BOX, 7, 9), box())


def test_polygons_of_one_annotation_are_joined_and_cut_at_the_edge() -> None:
    mask = mask_from_segmentation([*BOX, [7, 5, 20, 5, 20, 20, 7, 20]], 7, 9)
    expected = box()
    expected[5:, 7:] = True
    assert np.array_equal(mask, expected)


def test_one_polygon_may_be_pairs_as_labelme_writes_them() -> None:
    assert np.array_equal(mask_from_segmentation([[2, 1], [6, 1], [6, 4], [2, 4]], 7, 9), box())


def test_runs_go_down_the_columns() -> None:
    runs = [15, 3, 4, 3, 4, 3, 4, 3, 24]
    assert np.array_equal(mask_from_segmentation({"size": [7, 9], "counts": runs}, 7, 9), box())


def test_packed_runs_are_those_of_pycocotools() -> None:
    # Strings made by pycocotools 2.0 from the masks drawn here.
    small = box()
    small[0, 0] = small[5, 7] = True
    assert np.array_equal(mask_from_segmentation({"size": [7, 9], "counts": "01>2F00000;NI"}, 7, 9), small)
    large = np.zeros((40, 50), bool)
    large[3:30, 4:44] = True
    large[10:20, 10:40] = False
    large[0:2, 48] = True
    counts = "S5k0=0000000000\\OM3" + "3MM3" * 29 + "3a0000000m4WOTM"
    assert np.array_equal(mask_from_segmentation({"size": [40, 50], "counts": counts}, 40, 50), large)


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ("box", "list of polygons"),
        ([[1, 2, 3]], "x, y, x, y"),
        ([["a", "b"]], "x, y, x, y"),
        ([[1, float("nan")]], "no number"),
        ([], "boxes alone are no masks"),
        ([[1, 1, 5, 5]], "three points at least"),
        ({"size": [7, 9], "counts": [5]}, "run lengths of 5 pixels"),
        ({"size": [9, 7], "counts": [63]}, "for an image of 7 x 9"),
    ],
)
def test_what_is_no_shape_is_refused(segmentation: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        mask_from_segmentation(segmentation, 7, 9)


def coco(path: Path, **changes: object) -> Path:
    values = {
        "images": [{"id": 5, "file_name": "a/one.jpg", "height": 7, "width": 9}],
        "categories": [{"id": 9, "name": "lake"}, {"id": 3, "name": "road"}],
        "annotations": [
            {"id": 1, "image_id": 5, "category_id": 9, "segmentation": BOX},
            {"id": 2, "image_id": 5, "category_id": 3, "segmentation": [[4, 0, 5, 0, 5, 7, 4, 7]], "iscrowd": 0},
            {"id": 3, "image_id": 5, "category_id": 3, "segmentation": [[0, 6, 9, 6, 9, 7, 0, 7]], "iscrowd": 1},
        ],
    }
    path.write_text(json.dumps(values | changes))
    return path


def test_later_annotations_lie_over_earlier_ones_and_crowds_are_ignored(tmp_path: Path) -> None:
    file = read_coco(coco(tmp_path / "c.json"))
    assert file.legend.names == ("background", "road", "lake")
    expected = box().astype(np.uint8) * 2
    expected[:, 4] = 1
    expected[6] = 255
    assert np.array_equal(draw_mask(file, file.images[0]), expected)


def test_a_category_named_background_is_class_0(tmp_path: Path) -> None:
    categories = [{"id": 9, "name": "lake"}, {"id": 3, "name": "Background"}]
    file = read_coco(coco(tmp_path / "c.json", categories=categories))
    assert file.legend.names == ("background", "lake")
    assert dict(file.ids) == {3: 0, 9: 1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": []}, "annotates the image 5, which it does not list"),
        ({"images": [], "annotations": []}, "0 images and 2 categories"),
        ({"categories": [{"id": 1}]}, "no COCO instances file"),
        ({"images": [{"id": 5, "file_name": "../x.jpg", "height": 7, "width": 9}]}, "below the folder"),
        ({"images": [{"id": 5, "file_name": "/x.jpg", "height": 7, "width": 9}]}, "below the folder"),
    ],
)
def test_a_file_that_is_wrong_is_said(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_coco(coco(tmp_path / "c.json", **changes))


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        ({"id": 8, "image_id": 5, "category_id": 9, "bbox": [0, 0, 1, 1]}, "boxes alone are no masks"),
        ({"id": 8, "image_id": 5, "category_id": 4, "segmentation": BOX}, "every category is to be listed"),
        (
            {"id": 8, "image_id": 5, "category_id": 9, "segmentation": "x"},
            r"annotation 8 of a/one\.jpg: a segmentation",
        ),
    ],
)
def test_an_annotation_that_is_wrong_is_named(tmp_path: Path, annotation: dict[str, object], message: str) -> None:
    file = read_coco(coco(tmp_path / "c.json", annotations=[annotation]))
    with pytest.raises(DataError, match=message):
        draw_mask(file, file.images[0])


def test_no_json_is_said(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text("{")
    with pytest.raises(DataError, match="not valid JSON"):
        read_coco(tmp_path / "c.json")
    with pytest.raises(DataError, match="does not exist"):
        read_coco(tmp_path / "d.json")


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    path = coco(tmp_path / "c.json")
    path.write_bytes(path.read_text().encode("utf-8-sig"))
    assert len(read_coco(path).images) == 1


@pytest.mark.parametrize("kind", ["images", "categories"])
def test_an_id_that_stands_twice_is_refused(tmp_path: Path, kind: str) -> None:
    path = coco(tmp_path / "c.json")
    values = json.loads(path.read_text())
    values[kind].append({**values[kind][0], "file_name": "a/two.jpg", "name": "house"})
    path.write_text(json.dumps(values))
    with pytest.raises(DataError, match=f"to several {kind}, so it is open which of them"):
        read_coco(path)


def test_a_name_with_control_characters_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="control characters"):
        read_coco(coco(tmp_path / "c.json", categories=[{"id": 3, "name": "ro\x1b[31mad"}]))


def test_json_that_is_nested_without_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text("[" * 100_000)
    with pytest.raises(DataError, match="not valid JSON"):
        read_coco(tmp_path / "c.json")
