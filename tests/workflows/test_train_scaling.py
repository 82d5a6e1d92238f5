import pytest

pytest.importorskip("torch")

from overland.datasets.chips import BandStatistics
from overland.errors import UsageError
from overland.workflows.train import _scaling

RGB = BandStatistics((100.0, 110.0, 120.0), (10.0, 11.0, 12.0), "uint8")


def test_each_choice_scales_a_known_pixel():
    def scaled(normalize, value, statistics=RGB):
        scaling = _scaling(normalize, statistics)
        return (value - scaling.mean[0]) / scaling.std[0]

    assert scaled("data", 120) == 2
    assert scaled("none", 120) == 120
    assert scaled("unit", 255) == 1
    assert scaled("unit", 65535, BandStatistics((0.0,), (1.0,), "uint16")) == 1
    assert [scaled("half", value) for value in (0, 127.5, 255)] == [-1, 0, 1]
    assert _scaling("half", BandStatistics((0.0,) * 8, (1.0,) * 8, "uint16")).mean == (32767.5,) * 8
    assert scaled("imagenet", 255) == pytest.approx((1 - 0.485) / 0.229)


def test_what_does_not_fit_is_refused():
    with pytest.raises(UsageError, match="knows 3 bands; these images have 1"):
        _scaling("imagenet", BandStatistics((0.0,), (1.0,), "uint8"))
    with pytest.raises(UsageError, match="float32"):
        _scaling("unit", BandStatistics((0.0,), (1.0,), "float32"))
