from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from models_made import threshold_bundle
from overland.legend import legend_from_names
from overland.web.app.card import card_html, facts_html


def test_card_says_what_is_known(tmp_path: Path) -> None:
    bundle = threshold_bundle(tmp_path / "model", bands=3)
    headline = {"class": "road", "value": 0.5132}
    known = replace(bundle, metrics={"val": {"headline": headline}}, data={"name": "town", "license": "ODbL"})
    html = card_html(known)
    assert "IoU of road 0.513 on its validation images" in html
    assert "ODbL" in html
    assert "not stated" in card_html(bundle)
    assert "no evidence for real imagery" in card_html(replace(known, data={"synthetic": True}))


def test_words_of_strangers_are_no_markup(tmp_path: Path) -> None:
    legend = legend_from_names(["background", "<script>alert(1)</script>"])
    html = card_html(replace(threshold_bundle(tmp_path / "model"), legend=legend))
    assert "<script>" not in html
    assert "<b>" not in facts_html("<b>x</b>")
