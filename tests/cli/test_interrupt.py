"""Ctrl-C and threads that hang, in processes of their own."""

import os
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")

# What the main thread does when the signal comes.
_STATES = {
    "python": "time.sleep(60)",
    "native code that lets other threads run": "ctypes.CDLL(None).sleep(60)",
    "a wait for a thread that hangs": "hang()",
    "a cleanup that does not end": "clean_up()",
}
_CODE = """
import ctypes, sys, threading, time
from overland.cli.interrupt import end_process, prompt_end
from overland.inference.threads import worker_threads

def hang():
    with worker_threads(1) as threads:
        threads.result(threads.submit(lambda: ctypes.CDLL(None).sleep(60)))

def clean_up():
    try:
        time.sleep(60)
    finally:
        ctypes.CDLL(None).sleep(60)

try:
    with prompt_end(grace_s=2.0):
        print("ready", flush=True)
        exec(sys.argv[1])
except KeyboardInterrupt:
    end_process(130)
"""


@pytest.mark.parametrize("state", _STATES.values(), ids=_STATES)
def test_ctrl_c_ends_every_state(state):
    child = subprocess.Popen([sys.executable, "-c", _CODE, state], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert child.stdout.readline() == b"ready\n"
        time.sleep(0.3)
        started = time.monotonic()
        os.kill(child.pid, signal.SIGINT)
        assert child.wait(20) == 130
        assert time.monotonic() - started < 10
    finally:
        child.kill()
        child.communicate()


def test_a_process_whose_lock_is_never_given_back_is_ended_and_tells_where():
    # PyDLL keeps the interpreter's lock, as a library does that deadlocks with it.
    code = """
import ctypes, time
from overland.cli import interrupt
interrupt._BEAT_S = 0.1
with interrupt.prompt_end(locked_s=2.0):
    time.sleep(1)
    ctypes.PyDLL(None).sleep(60)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=False)
    assert ended.returncode == 1
    assert "Thread 0x" in ended.stderr
    assert 'File "<string>"' in ended.stderr
