from __future__ import annotations

import time

from overland.web.app.session import Session, Watch


def wait_until_gone(session: Session) -> bool:
    deadline = time.monotonic() + 10
    while session.folder.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return not session.folder.exists()


def test_a_visit_ends_some_time_after_its_page_was_closed() -> None:
    pages = {"stays", "leaves"}
    watch = Watch(pages.__contains__, grace_s=0.05, look_every_s=0.01)
    stays, leaves = Session(), Session()
    watch.add("stays", stays)
    watch.add("leaves", leaves)
    time.sleep(0.1)
    assert leaves.folder.exists()
    pages.remove("leaves")
    assert wait_until_gone(leaves)
    assert stays.folder.exists()
    watch.stop()
    assert not stays.folder.exists()
