"""What all visits share: the desk with its models, and the maps of the example; nothing of any visitor."""

from __future__ import annotations

import atexit
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from overland.bundle import ModelBundle
from overland.web.app.card import EXAMPLE_MODELS, map_example
from overland.web.app.launch import AppSettings
from overland.web.app.results import Result
from overland.web.app.session import Session, Watch
from overland.web.jobs.queue import JobQueue

__all__ = ["Host", "open_host"]


class Host:
    """The desk, the models by the names that visitors read, and the example's maps, each made when first asked for."""

    def __init__(self, settings: AppSettings) -> None:
        self.desk = JobQueue([*settings.models, *EXAMPLE_MODELS.values()], settings.limits)
        examples = {path.resolve(): name for name, path in EXAMPLE_MODELS.items()}
        labels = {
            name: examples.get(_path_of(bundle), _readable(name, bundle)) for name, bundle in self.desk.models.items()
        }
        # The page opens with the first one, and so with something to see.
        self.models = dict(sorted(labels.items(), key=lambda item: item[1] not in EXAMPLE_MODELS))
        self._examples: dict[str, Result] = {}
        self._folders: list[Path] = []
        self._lock = threading.Lock()
        self._watch = Watch(_is_open)
        atexit.register(self.close)

    def label(self, model: str) -> str:
        """The name of a model as visitors read it."""
        return self.models[model]

    def example(self, model: str) -> Result | None:
        """The map of the example's scene by a model that came with it; None for any other model."""
        label = self.label(model)
        if label not in EXAMPLE_MODELS:
            return None
        with self._lock:
            if label not in self._examples:
                folder, self._examples[label] = map_example(label, self.desk.models[model])
                self._folders.append(folder)
            return self._examples[label]

    def open_session(self) -> Session:
        """A session for the visit that asks, watched over until its page is closed."""
        session = Session()
        context = get_script_run_ctx()
        if context is not None:
            self._watch.add(context.session_id, session)
        return session

    def close(self) -> None:
        """End every visit, stop the workers and remove the example's maps."""
        atexit.unregister(self.close)
        self._watch.stop()
        self.desk.close()
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)


def _is_open(session: str) -> bool:
    # A test runs the page without a server.
    return not st.runtime.exists() or bool(st.runtime.get_instance().is_active_session(session))


def _path_of(bundle: ModelBundle) -> Path:
    return Path(bundle.graph_path).parent.resolve()


def _readable(name: str, bundle: ModelBundle) -> str:
    # The best weights of a run are called after the run.
    path = _path_of(bundle)
    return path.parts[-3] if path.parts[-2:] == ("weights", "best") and name in ("best", "weights-best") else name


open_host: Callable[[AppSettings], Host] = st.cache_resource(
    show_spinner="Loading the models …", on_release=lambda host: host.close()
)(Host)
