"""The page through Streamlit's own test runner: the example, and the corpus of bad uploads, each one clear message."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from models_made import threshold_bundle
from overland.web.app.host import open_host
from overland.web.app.launch import AppSettings
from overland.web.jobs.job import ENDED
from overland.web.jobs.limits import Limits
from web.bad_uploads import BadUpload, bad_uploads, good_png
from web.patience import PATIENCE_S, wait_until

_UPLOADS = bad_uploads("http://127.0.0.1:9", Path("secret.tif"))


def page(settings) -> None:
    from overland.web.app.page import show_page

    show_page(settings)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppSettings]:
    folder = tmp_path_factory.mktemp("models")
    threshold_bundle(folder / "bright", bands=3)
    limits = Limits(
        max_bytes=1_000_000,
        max_pixels=4_000_000,
        max_bands=8,
        memory_mb=700,
        timeout_s=PATIENCE_S,
        queue=99,
        per_client=99,
    )
    yield AppSettings((folder,), limits, "")
    open_host.clear()


@pytest.fixture
def app(settings: AppSettings) -> AppTest:
    return AppTest.from_function(page, args=(settings,), default_timeout=PATIENCE_S).run()


def upload(app: AppTest, uploads: list[BadUpload]) -> AppTest:
    """Hand files in for the model of roads, and wait until the queue is done with all of them."""
    app.selectbox(key="model").set_value("bright").run()
    app.file_uploader(key="files").set_value([(item.filename, item.data, "image/tiff") for item in uploads]).run()
    jobs = [item.job for item in app.session_state["session"].uploads.values()]
    wait_until(lambda: all(job.state in ENDED for job in jobs))
    return app.run()


def test_opens_with_the_example_mapped(app: AppTest) -> None:
    assert not app.exception
    assert not app.error
    assert any("synthetic imagery" in item.proto.body for item in app.get("html"))
    assert any("forest" in item.proto.body for item in app.get("html"))


def test_controls_keep_the_result(app: AppTest) -> None:
    for key, value in (("mode", "map"), ("lines", "roads"), ("section", "Clean-ups compared"), ("cleanup", "Own")):
        choose(app, key, value)
    app.selectbox(key="model").set_value("roads").run()
    app.slider(key="threshold example: roads").set_value(0.9).run()
    assert not app.error
    assert not app.exception


def test_labels_are_compared(app: AppTest) -> None:
    choose(app, "section", "Check against labels")
    uploader = next(item for item in app.file_uploader if item.key.startswith("truth"))
    labels = io.BytesIO()
    Image.fromarray(np.zeros((1024, 1024), np.uint8)).save(labels, "PNG")
    uploader.set_value(("labels.png", labels.getvalue(), "image/png")).run()
    assert not app.error
    (mean,) = app.metric
    assert mean.label == "Mean IoU"
    # Every pixel of the labels is a field, so of what the map calls field all is right.
    table = next(item.proto.body for item in app.get("html") if "Precision" in item.proto.body)
    assert "<td>field</td>" in table
    assert "<td>100.0%</td>" in table
    uploader = next(item for item in app.file_uploader if item.key.startswith("truth"))
    uploader.set_value(("labels.png", good_png(), "image/png")).run()
    assert "48 x 32 pixels and the image 1024 x 1024" in app.error[0].value


def choose(app: AppTest, key: str, value: str) -> None:
    next(item for item in app.get("button_group") if item.key == key).set_value(value).run()
    assert not app.error, key
    assert not app.exception, key


def test_every_bad_upload_is_one_clear_message(app: AppTest) -> None:
    app = upload(app, _UPLOADS)
    session = app.session_state["session"]
    keys = [*session.uploads, *session.refused]
    assert len(keys) == len(_UPLOADS)
    for place in range(len(keys)):
        box = next(item for item in app.selectbox if item.label == "Shown")
        box.select_index(place).run()
        item = _UPLOADS[len(_UPLOADS) - 1 - place]
        assert not app.exception, item.id
        said = [error.value for error in app.error]
        assert len(said) == (200 not in item.statuses) or len(item.statuses) > 1, (item.id, said)
        for error in app.error:
            assert "Traceback" not in error.value
            assert "server's log" not in error.value, item.id
            assert "/tmp" not in error.value


def test_a_page_that_comes_back_late_starts_anew(app: AppTest) -> None:
    app = upload(app, [BadUpload("good", "town.png", good_png(), (200,))])
    first = app.session_state["session"]
    first.close()
    app = upload(app, [BadUpload("good", "town.png", good_png(), (200,))])
    assert app.session_state["session"] is not first
    assert not app.error
    assert not app.exception


def test_what_is_fine_is_shown(app: AppTest) -> None:
    app = upload(app, [BadUpload("good", "../../town.png", good_png(), (200,))])
    assert not app.error
    (only,) = app.session_state["session"].uploads.values()
    assert only.result.stem == "town"
    assert not only.result.grid.is_georeferenced
    modes = next(item for item in app.get("button_group") if item.key == "mode")
    assert "Map" not in modes.options
