import numpy as np
import pytest
from PIL import Image

from overland.errors import UsageError
from overland.legend import legend_from_names
from overland.reporting.pictures import PictureItem, heat_picture, picture_grid, write_pictures

ROADS = legend_from_names(["background", "road"])


def _item(height=40, width=60, **parts):
    mask = np.zeros((height, width), np.uint8)
    mask[10:20] = 1
    return PictureItem("one", mask, **parts)


def _colors(picture):
    return {color for _, color in picture.getcolors(maxcolors=1 << 24)}


def test_a_row_has_four_panels_and_the_legend_below():
    item = _item(truth=np.ones((40, 60), np.uint8), image=np.full((3, 40, 60), 120, np.uint8))
    alone = picture_grid([_item()], ROADS)
    whole = picture_grid([item], ROADS)

    assert whole.width > 3.5 * (alone.width - 60)
    assert {ROADS.colors[1], (120, 120, 120)} <= _colors(whole)


def test_images_of_several_sizes_go_together():
    grid = picture_grid([_item(40, 60), _item(100, 50), _item(7, 9)], ROADS)

    assert grid.height > grid.width


def test_rows_may_lack_what_others_have():
    grid = picture_grid([_item(), _item(truth=np.zeros((40, 60), np.uint8))], ROADS)

    assert grid.width > picture_grid([_item()], ROADS).width


def test_many_classes_wrap_their_legend():
    legend = legend_from_names([f"class number {index}" for index in range(19)])
    few = picture_grid([_item()], ROADS)

    assert picture_grid([_item()], legend).height > few.height


@pytest.mark.parametrize(("name", "kind"), [("a.jpg", "JPEG"), ("a.png", "PNG")])
def test_the_suffix_decides_the_format(tmp_path, name, kind):
    write_pictures(tmp_path / name, [_item()], ROADS)

    with Image.open(tmp_path / name) as picture:
        assert picture.format == kind
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_nothing_to_show_is_an_error():
    with pytest.raises(UsageError, match="no picture"):
        picture_grid([], ROADS)


def test_probabilities_give_a_heat_map_and_its_bar():
    probabilities = np.zeros((40, 60), np.float32)
    probabilities[:20] = 1
    item = _item(truth=np.zeros((40, 60), np.uint8), probabilities=probabilities)
    grid = picture_grid([item], ROADS)
    plain = picture_grid([_item(truth=np.zeros((40, 60), np.uint8))], ROADS)

    assert grid.width == plain.width + 370
    assert grid.height == plain.height + 30
    assert {tuple(color) for color in heat_picture(np.array([[0.0, 1.0]]))[0].tolist()} <= _colors(grid)
