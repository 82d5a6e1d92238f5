from __future__ import annotations

import time
from pathlib import Path

from overland.web.app.session import Session, SessionWatch
from web.patience import wait_until


def test_a_session_ends_some_time_after_its_page_was_closed(tmp_path: Path) -> None:
    pages = {"stays", "leaves"}
    watch = SessionWatch(pages.__contains__, grace_s=0.05, look_every_s=0.01)
    stays, leaves = (Session(tmp_path / name) for name in ("stays", "leaves"))
    for session in (stays, leaves):
        session.folder.mkdir()
    watch.add("stays", stays)
    watch.add("leaves", leaves)
    time.sleep(0.1)
    assert leaves.folder.exists()
    pages.remove("leaves")
    wait_until(lambda: not leaves.folder.exists())
    assert stays.folder.exists()
    watch.stop()
    assert not stays.folder.exists()
