from __future__ import annotations

from streamlit.testing.v1 import AppTest


def page(state: str) -> None:
    import tempfile
    from pathlib import Path
    from types import SimpleNamespace

    import streamlit as st

    from overland.web.app.session import Session, Upload
    from overland.web.app.uploads import result_of
    from overland.web.refusals import TooLargeError

    if "session" not in st.session_state:
        job = SimpleNamespace(id="1", state=state, progress=0.4, deleted=state == "deleted", delete=lambda: None)
        job.error = TooLargeError("Send a part of the scene.")
        job.cancel = lambda: setattr(job, "state", "cancelled")
        session = st.session_state["session"] = Session(Path(tempfile.mkdtemp()))
        session.uploads["id", "model"] = Upload("my *town*.tif", "model", None, job)
    assert result_of(st.session_state["session"], ("id", "model")) is None


def test_running_work_shows_how_far_it_is_and_can_be_cancelled() -> None:
    app = AppTest.from_function(page, args=("running",)).run()
    (bar,) = app.get("progress")
    assert bar.proto.value == 40
    assert bar.proto.text == r"Mapping: my \*town\*.tif"
    app.button[0].click().run()
    assert not app.exception
    assert app.info[0].value.startswith("Cancelled")


def test_what_failed_says_why() -> None:
    app = AppTest.from_function(page, args=("failed",)).run()
    assert app.error[0].value == "**Image too large.** Send a part of the scene."


def test_what_has_expired_says_so() -> None:
    app = AppTest.from_function(page, args=("deleted",)).run()
    assert "Upload the image again" in app.warning[0].value
