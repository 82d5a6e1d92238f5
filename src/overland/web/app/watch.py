"""The watch over visits: some time after a page was closed, everything of its visit goes.

Streamlit drops the state of a session that is over when the next one comes, which may be tomorrow.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable

from overland.web.app.session import Session

__all__ = ["Watch"]

_GRACE_S = 150.0
_LOOK_EVERY_S = 5.0


class Watch:
    """A thread that closes the sessions whose page has been closed for longer than Streamlit lets one come back.

    `is_open` says of a session's id whether its page is open.
    """

    def __init__(
        self, is_open: Callable[[str], bool], *, grace_s: float = _GRACE_S, look_every_s: float = _LOOK_EVERY_S
    ) -> None:
        self._is_open, self._grace_s, self._look_every_s = is_open, grace_s, look_every_s
        self._sessions: dict[str, weakref.ref[Session]] = {}
        self._seen_s: dict[str, float] = {}
        self._stopping = threading.Event()
        threading.Thread(target=self._look, daemon=True).start()

    def add(self, id: str, session: Session) -> None:
        """Watch over a session."""
        self._seen_s[id] = time.monotonic()
        self._sessions[id] = weakref.ref(session)

    def stop(self) -> None:
        """Close every session and look no more."""
        self._stopping.set()
        for id in list(self._sessions):
            self._close(id)

    def _look(self) -> None:
        while not self._stopping.wait(self._look_every_s):
            now = time.monotonic()
            for id in list(self._sessions):
                if self._is_open(id):
                    self._seen_s[id] = now
                elif now - self._seen_s[id] > self._grace_s:
                    self._close(id)

    def _close(self, id: str) -> None:
        session = self._sessions.pop(id)()
        self._seen_s.pop(id, None)
        if session is not None:
            session.close()
