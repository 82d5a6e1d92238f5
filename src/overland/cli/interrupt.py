"""Ctrl-C ends a command within five seconds, whatever its threads are doing.

Python hears of a signal only between two steps of the main thread, which may be deep in a native library, or waiting
for a thread that is. So the signal is also written to a socket, by C, and a thread that does nothing else reads it.
Nothing is lost: results appear whole or not at all, and rows that are finished are safe on the disk.

Should a native library hold the interpreter's lock for ever, no Python runs any more, this one included; then the
watchdog of `faulthandler`, which is C as well, says where each thread is and ends the process.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

__all__ = ["end_process", "prompt_end"]

_GRACE_S = 4.0
_INTERRUPTED = 130
# Of the interpreter's lock: the longest that a library was seen to keep it is seconds.
_LOCKED_S = 600.0
_BEAT_S = 5.0


@contextmanager
def prompt_end(grace_s: float = _GRACE_S, locked_s: float = _LOCKED_S) -> Iterator[None]:
    """End the process soon after Ctrl-C, or when no Python has run for ten minutes.

    Args:
        grace_s: Seconds that the command has to end by itself.
        locked_s: Seconds without any Python after which the process is ended.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    ended = threading.Event()

    def watch() -> None:
        with reader:
            while signals := reader.recv(64):
                if signal.SIGINT in signals and not ended.wait(grace_s):
                    with suppress(OSError, ValueError):
                        sys.stderr.write(
                            "Error: Interrupted. Finished rows are kept; the same command continues there.\n"
                        )
                        sys.stderr.flush()
                    os._exit(_INTERRUPTED)

    def beat() -> None:
        while not ended.wait(_BEAT_S):
            with suppress(OSError, ValueError, AttributeError, RuntimeError):
                faulthandler.dump_traceback_later(locked_s, exit=True)

    before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    for name, work in (("interrupt", watch), ("heartbeat", beat)):
        threading.Thread(target=work, name=f"cli-{name}", daemon=True).start()
    try:
        yield
    finally:
        ended.set()
        signal.set_wakeup_fd(before)
        faulthandler.cancel_dump_traceback_later()
        writer.close()


def end_process(code: int) -> NoReturn:
    """End the process; at once where a thread was left behind that hangs in a native library.

    Args:
        code: Exit code.
    """
    if any(thread.name.startswith("overland-") for thread in threading.enumerate()):
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(code)
    sys.exit(code)
