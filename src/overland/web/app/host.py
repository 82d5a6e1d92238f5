"""The host holds all that sessions share: the job queue with its models, and the maps of the example."""

from __future__ import annotations

import atexit
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from overland.web.app.card import EXAMPLE_MODELS, map_example
from overland.web.app.launch import AppSettings
from overland.web.app.results import MappedImage
from overland.web.app.session import Session, SessionWatch
from overland.web.jobs.queue import JobQueue

__all__ = ["Host", "open_host"]


class Host:
    """The job queue, the models by the names that users read, and the example's maps, each made when first asked for.

    Args:
        settings: Settings that the app was started with.
    """

    def __init__(self, settings: AppSettings) -> None:
        self.queue = JobQueue([*settings.models, *EXAMPLE_MODELS.values()], settings.limits)
        examples = {path.resolve(): name for name, path in EXAMPLE_MODELS.items()}
        labels = {}
        for name, bundle in self.queue.models.items():
            path = Path(bundle.graph_path).parent.resolve()
            # The best weights of a run are called after the run.
            is_best = path.parts[-2:] == ("weights", "best") and name in ("best", "weights-best")
            labels[name] = examples.get(path, path.parts[-3] if is_best else name)
        # The page opens with the first one, and so with something to see.
        self.models = dict(sorted(labels.items(), key=lambda item: item[1] not in EXAMPLE_MODELS))
        self._examples: dict[str, MappedImage] = {}
        self._lock = threading.Lock()
        # A test runs the page without a server; every page is open then.
        self._watch = SessionWatch(
            lambda id: not st.runtime.exists() or bool(st.runtime.get_instance().is_active_session(id))
        )
        atexit.register(self.close)

    def label(self, model: str) -> str:
        """Return the name of a model as users read it.

        Args:
            model: Its name in the job queue.
        """
        return self.models[model]

    def example(self, model: str) -> MappedImage | None:
        """Return the map of the example's scene by a model that came with it.

        Args:
            model: The model's name in the job queue.

        Returns:
            The scene and its map; None for any other model.
        """
        label = self.label(model)
        if label not in EXAMPLE_MODELS:
            return None
        with self._lock:
            if label not in self._examples:
                folder = Path(tempfile.mkdtemp(prefix="example-", dir=self.queue.folder))
                self._examples[label] = map_example(label, self.queue.models[model], folder)
            return self._examples[label]

    def open_session(self) -> Session:
        """Open the session of the page that asks, watched over until the page is closed."""
        session = Session(Path(tempfile.mkdtemp(prefix="session-", dir=self.queue.folder)))
        context = get_script_run_ctx()
        if context is not None:
            self._watch.add(context.session_id, session)
        return session

    def close(self) -> None:
        """End every session, stop the workers and remove their files."""
        atexit.unregister(self.close)
        self._watch.stop()
        self.queue.close()


open_host: Callable[[AppSettings], Host] = st.cache_resource(
    show_spinner="Loading the models …", on_release=lambda host: host.close()
)(Host)
