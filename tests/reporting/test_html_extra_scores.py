from overland.reporting.html import extra_scores_html


def test_what_was_asked_for_is_listed_and_the_rest_is_not():
    values = {
        "pooled": {},
        "patches": {"averaging": "pooled", "patch_size": 16, "from_mask": {"f1": 0.5, "recall": None}},
    }
    html = extra_scores_html(values)

    assert "Patches, pooled" in html
    assert "<dt>patch size</dt><dd>16</dd>" in html
    assert "<dt>from mask, f1</dt><dd>0.500</dd>" in html
    assert "<dt>from mask, recall</dt><dd>–</dd>" in html
    assert "averaging" not in html
    assert extra_scores_html({"pooled": {}}) == ""
