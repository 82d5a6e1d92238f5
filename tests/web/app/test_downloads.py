from __future__ import annotations

import csv
import json

import numpy as np
from PIL import Image

from overland.web.app.downloads import areas_csv, map_png, summary_json
from overland.web.app.results import MappedImage, MapState


def test_png_holds_ids_and_colours(result: MappedImage) -> None:
    picture = Image.open(map_png(MapState(result)))
    assert picture.mode == "P"
    assert set(np.unique(np.asarray(picture))) == {0, 1}
    assert np.asarray(picture.convert("RGB"))[32, 5].tolist() == list(result.legend.colors[1])


def test_figures_are_those_of_the_state_that_is_shown(result: MappedImage) -> None:
    state = MapState(result, 0.99, {"preset": "morphological"})
    with areas_csv(state).open() as file:
        rows = list(csv.DictReader(file))
    values = json.loads(summary_json(state))
    assert [float(row["area_m2"]) for row in rows] == [row["area_m2"] for row in values["areas"]]
    assert (values["threshold"], values["cleanup"]) == (0.99, {"preset": "morphological"})
    assert values["image"] == result.name
    assert str(result.folder) not in json.dumps(values)
    assert str(result.mask.parent) not in json.dumps(values)
