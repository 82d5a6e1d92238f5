"""Uploads: images become jobs of the queue, and running jobs show their progress."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from overland.errors import OverlandError
from overland.web.app.host import Host
from overland.web.app.results import MappedImage
from overland.web.app.session import Session, Upload
from overland.web.app.theme import plain_text, show_error
from overland.web.jobs.job import ENDED

__all__ = ["accept_uploads", "choose_image", "result_of"]

_LOOK_EVERY_S = 0.4

Key = tuple[str, str]


def accept_uploads(host: Host, session: Session, model: str) -> list[Key]:
    """Show the uploader, and submit the images that are new for this model.

    Args:
        host: The host.
        session: The session.
        model: Name of the model.

    Returns:
        The keys of the images that are there, by the order in which they came.
    """
    limits = host.queue.limits
    # Any name is let in: the upload check looks at the first bytes, and says in words which kind of file it is instead.
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
        if key in session.uploads or key in session.refused:
            continue
        try:
            job = host.queue.submit(model, file, filename=file.name, client=session.folder.name)
        except OverlandError as error:
            session.refused[key] = (file.name, error)
        else:
            session.uploads[key] = Upload(file.name, host.label(model), host.queue.models[model], job)
    gone = [key for key in session.uploads if key[0] not in {file.file_id for file in files}]
    for key in gone:
        session.drop(key)
    return keys


def choose_image(session: Session, keys: list[Key], *, has_example: bool) -> Key | None:
    """Let the user choose among the images, the newest first, and the example.

    Args:
        session: The session.
        keys: Keys of the images.
        has_example: Whether there is an example.

    Returns:
        The key of the image; None for the example, and where there is nothing to choose.
    """
    choices: list[Key | None] = [*reversed(keys), *([None] if has_example else [])]
    if len(choices) < 2:
        return choices[0] if choices else None
    # Streamlit tells options apart by their text, and people send several files of one name.
    names = [session.name_of(choice) for choice in choices]
    labels = [
        f"{name} ({names[:place].count(name) + 1})" if name in names[:place] else name
        for place, name in enumerate(names)
    ]
    place: int = st.selectbox("Shown", range(len(choices)), format_func=labels.__getitem__, key=f"shown {choices}")
    return choices[place]


def result_of(session: Session, key: Key) -> MappedImage | None:
    """Return the result of an image; until there is one, its progress or its error is shown.

    Args:
        session: The session.
        key: Key of the image.

    Returns:
        The result; None where there is none yet.
    """
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
        assert job.error is not None, "it failed"
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
