import numpy as np

from overland.reporting.pictures import color_bar, heat_picture


def test_a_higher_probability_is_lighter():
    picture = heat_picture(np.linspace(0, 1, 11)[None])
    light = picture[0].astype(int) @ [2, 5, 1]

    assert picture.shape == (1, 11, 3)
    assert (np.diff(light) > 0).all()


def test_where_there_is_no_data_there_is_no_probability():
    valid = np.array([[True, False]])
    assert heat_picture(np.ones((1, 2)), valid)[0, 1].tolist() == [236, 236, 238]


def test_the_bar_goes_from_0_to_1():
    bar = color_bar(64, 3)

    assert bar.shape == (3, 64, 3)
    assert (bar[0, [0, -1]] == heat_picture(np.array([[0.0, 1.0]]))[0]).all()
