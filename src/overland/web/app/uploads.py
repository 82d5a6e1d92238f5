"""Images come in: uploads become jobs of the desk, and running jobs show how far they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from overland.errors import OverlandError
from overland.web.app.host import Host
from overland.web.app.results import Result
from overland.web.app.session import Session, Upload
from overland.web.app.theme import plain_text, show_error
from overland.web.jobs.job import ENDED
from overland.web.jobs.queue import JobOptions

__all__ = ["accept_uploads", "choose_image", "result_of"]

_LOOK_EVERY_S = 0.4

Key = tuple[str, str]


def accept_uploads(host: Host, session: Session, model: str) -> list[Key]:
    """Show the uploader, hand in what is new for this model, and give the keys of what the visitor has there."""
    limits = host.desk.limits
    # Any name is let in: the desk looks at the first bytes, and says in words what a file is instead.
    files = st.file_uploader(
        "Your images: PNG, JPEG, GeoTIFF",
        accept_multiple_files=True,
        key="files",
        max_upload_size=max(1, round(limits.max_bytes / 1e6)),
        help=f"8 or 16 bits, up to {limits.max_pixels / 1e6:.3g} megapixels. "
        "Nobody else sees them; they are deleted when you leave.",
    )
    keys = [(file.file_id, model) for file in files]
    for key, file in zip(keys, files, strict=True):
        if key not in session.uploads and key not in session.refused:
            _hand_in(host, session, key, file)
    gone = [key for key in session.uploads if key[0] not in {file.file_id for file in files}]
    for key in gone:
        session.drop(key)
    return keys


def _hand_in(host: Host, session: Session, key: Key, file: Any) -> None:
    model = key[1]
    try:
        job = host.desk.submit(model, file, filename=file.name, options=JobOptions(scores=True))
    except OverlandError as error:
        session.refused[key] = (file.name, error)
    else:
        session.uploads[key] = Upload(file.name, host.label(model), host.desk.models[model], job)


def choose_image(session: Session, keys: list[Key], *, has_example: bool) -> Key | None:
    """Let the visitor choose among the images, the newest first, and the example, which is None."""
    choices: list[Key | None] = [*reversed(keys), *([None] if has_example else [])]
    if len(choices) < 2:
        return choices[0] if choices else None
    labels = _labels(session, choices)
    place: int = st.selectbox("Shown", range(len(choices)), format_func=labels.__getitem__, key=f"shown {choices}")
    return choices[place]


def _labels(session: Session, choices: Sequence[Key | None]) -> list[str]:
    # Streamlit tells options apart by their text, and people send several files of one name.
    names = [session.name_of(choice) for choice in choices]
    return [
        f"{name} ({names[:place].count(name) + 1})" if name in names[:place] else name
        for place, name in enumerate(names)
    ]


def result_of(session: Session, key: Key) -> Result | None:
    """The result of an image; until there is one, its progress or what went wrong is shown and None given."""
    if key in session.refused:
        show_error(session.refused[key][1])
        return None
    upload = session.uploads[key]
    job = upload.job
    if job.deleted:
        st.warning("This result was kept for as long as the server keeps results. Upload the image again.")
    elif job.state not in ENDED:
        _progress(upload)
    elif job.state == "failed":
        show_error(job.error)
    elif job.state == "cancelled":
        st.info("Cancelled. To start again, remove the image and upload it once more.", icon=":material/cancel:")
    else:
        return upload.finish(session.folder)
    return None


def _show_progress(upload: Upload) -> None:
    job = upload.job
    if job.state in ENDED:
        st.rerun()
    text = "Waiting for its turn" if job.state == "queued" else "Mapping"
    st.progress(min(float(job.progress), 1.0), text=f"{text}: {plain_text(upload.name)}")
    if st.button("Cancel", icon=":material/cancel:", key=f"cancel {job.id}"):
        job.cancel()
        st.rerun()


_progress: Callable[[Upload], None] = st.fragment(run_every=_LOOK_EVERY_S)(_show_progress)
