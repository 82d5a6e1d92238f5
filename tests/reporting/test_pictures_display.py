import numpy as np

from overland.legend import legend_from_names
from overland.reporting.pictures import FALSE_ALARM, HIT, MISSED, WRONG, colorize_mask, display_rgb, error_picture

ROADS = legend_from_names(["background", "road"])
LAND = legend_from_names(["field", "forest", "water"])


def test_8_bit_pixels_are_shown_as_they_are():
    pixels = np.arange(4 * 5 * 6, dtype=np.uint8).reshape(4, 5, 6)

    assert np.array_equal(display_rgb(pixels), pixels[:3].transpose(1, 2, 0))


def test_one_band_becomes_grey():
    picture = display_rgb(np.full((1, 3, 4), 77, np.uint8))

    assert picture.shape == (3, 4, 3)
    assert (picture == 77).all()


def test_16_bit_pixels_are_stretched_over_what_holds_data():
    pixels = np.tile(np.linspace(1000, 3000, 100, dtype=np.uint16), (3, 10, 1))
    valid = np.ones((10, 100), bool)
    pixels[:, 0], valid[0] = 65535, False
    picture = display_rgb(pixels, valid)

    assert picture[5, 0].tolist() == [0, 0, 0]
    assert picture[5, -1].tolist() == [255, 255, 255]
    assert abs(int(picture[5, 50, 0]) - 128) < 5
    assert (picture[0] == picture[0, 0]).all()


def test_floats_with_nan_are_shown():
    pixels = np.random.default_rng(0).random((1, 20, 20)).astype(np.float32)
    pixels[0, 0, 0] = np.nan

    assert display_rgb(pixels)[0, 0].tolist() == [0, 0, 0]


def test_a_flat_image_and_an_empty_one_do_no_harm():
    assert display_rgb(np.full((3, 4, 4), 500, np.uint16)).shape == (4, 4, 3)
    assert display_rgb(np.ones((3, 4, 4), np.uint16), np.zeros((4, 4), bool)).shape == (4, 4, 3)


def test_a_mask_has_the_colours_of_its_legend():
    picture = colorize_mask(np.array([[0, 2, 255]], np.uint8), LAND)

    assert picture[0, 0].tolist() == list(LAND.colors[0])
    assert picture[0, 1].tolist() == list(LAND.colors[2])
    assert picture[0, 2].tolist() not in [list(color) for color in LAND.colors]


def test_errors_of_two_classes_tell_missed_from_false_alarm():
    truth, mask = np.array([[1, 1, 0, 0, 255]]), np.array([[1, 0, 1, 0, 1]])
    picture = error_picture(truth, mask, ROADS)

    assert [tuple(pixel) for pixel in picture[0, :3].tolist()] == [HIT, MISSED, FALSE_ALARM]
    assert tuple(picture[0, 4].tolist()) not in {HIT, MISSED, FALSE_ALARM}


def test_errors_of_many_classes_are_one_colour_on_the_dimmed_image():
    image = np.full((1, 3, 3), 200, np.uint8)
    picture = error_picture(np.array([[0, 1, 2]]), np.array([[0, 2, 2]]), LAND, image)

    assert tuple(picture[0, 1].tolist()) == WRONG
    assert picture[0, 0].max() < 128


def test_a_picture_of_one_pixel():
    assert display_rgb(np.full((1, 1, 1), 7, np.uint8), np.array([[True]])).tolist() == [[[7, 7, 7]]]
