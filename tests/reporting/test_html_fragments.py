import math

import pytest
from PIL import Image

from overland.reporting.html import class_table, data_uri, facts, figure, format_score, headline, picture_from_bytes

EVIL = "<script>alert('x')</script>"


@pytest.mark.parametrize(("value", "text"), [(0.12345, "0.123"), (None, "–"), (math.nan, "–"), (1.0, "1.000")])
def test_a_score_that_does_not_exist_is_a_dash(value, text):
    assert format_score(value) == text


def test_a_headline_has_its_interval_and_its_note():
    html = headline("IoU", {"value": 0.5, "low": 0.4, "high": 0.6, "confidence": 0.95}, "synthetic scenes")

    assert "0.500" in html
    assert "95% interval 0.400 to 0.600" in html
    assert "synthetic scenes" in html
    assert "left:40.00%;width:20.00%" in html


@pytest.mark.parametrize("missing", [None, math.nan])
def test_a_headline_without_an_interval_has_none(missing):
    assert "interval" not in headline("IoU", {"value": missing, "low": missing, "high": missing})


def test_facts_are_flat_and_leave_out_what_is_empty():
    html = facts({"images": {"train": 3, "val": 2}, "none": None, "blank": "", "synthetic": False, "lr": 0.001})

    assert "images, train" in html
    assert "<dd>no</dd>" in html
    assert "<dd>0.001</dd>" in html
    assert "none" not in html
    assert "blank" not in html
    assert facts({}) == ""


def test_a_long_list_is_cut():
    assert ", … (100)" in facts({"many": list(range(100))})


def test_everything_inserted_is_escaped():
    scores = {"classes": {EVIL: dict.fromkeys(("iou", "f1", "precision", "recall", "accuracy"), 0.5) | {"support": 3}}}
    pieces = [
        headline(EVIL, {"value": 0.1}, EVIL),
        class_table(scores, {}, EVIL),
        facts({EVIL: EVIL}),
        figure("<svg></svg>", EVIL),
        picture_from_bytes(b"x", "png", EVIL),
    ]

    assert all("<script" not in piece for piece in pieces)
    assert all("&lt;script" in piece for piece in pieces)


def test_a_table_has_a_row_for_each_class():
    rows = dict.fromkeys(("iou", "f1", "precision", "recall", "accuracy"), 0.25) | {"support": 1234}
    html = class_table({"classes": {"road": rows}, "miou": 0.25}, {"road": (1, 2, 3)})

    assert "rgb(1,2,3)" in html
    assert "1,234" in html
    assert "--filled:25.0%" in html


def test_a_transparent_picture_stays_transparent():
    assert data_uri(Image.new("RGBA", (4, 4))).startswith("data:image/png;base64,")
    assert data_uri(Image.new("RGB", (4, 4))).startswith("data:image/jpeg;base64,")
