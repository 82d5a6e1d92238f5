"""Load on the REST service of this machine, over the loopback interface alone, in three parts.

1. CLIENTS post small images for SECONDS, half of them wait for the map, half submit jobs: statuses, times, memory.
2. CLIENTS wait for maps of small images for SECONDS, without and with one image of 88 megapixels in work: how much
   longer do the small ones take? It passes where no answer but 503 with Retry-After is a 5xx, and the 95th percentile
   with the large image is within three times that without.
3. Jobs are submitted, SIGTERM is sent at once, and the server started again on the same folder: is any job lost?

    python benchmarks/load_service.py --models MODELS --image scene.tif --clients 32 --seconds 60 [--parts 2]
"""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

START_S = 120
END_S = 300


@dataclass
class Tally:
    """The answers that the clients got."""

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    seconds: dict[str, list[float]] = field(default_factory=lambda: {"/v1/segment": [], "/v1/jobs": []})
    without_retry_after: int = 0
    broken: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, path: str, answer: httpx.Response, seconds: float) -> None:
        """Count an answer."""
        with self.lock:
            self.statuses[path, answer.status_code] += 1
            if answer.status_code < 300:
                self.seconds[path].append(seconds)
            elif answer.status_code in (429, 503) and "retry-after" not in answer.headers:
                self.without_retry_after += 1


@contextmanager
def server(models: Path, jobs: Path, log: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A server process and its address."""
    words = ["serve", "--models", str(models), "--jobs-folder", str(jobs), "--port", "0", "--queue", "64"]
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", "from overland.cli import main; main()", *words, "--keep-s", "20"], stderr=stderr
        )
    try:
        yield process, _ready_address(process, log)
    finally:
        process.terminate()
        process.wait(END_S)


def _ready_address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        urls = [line.removeprefix("Listening on ") for line in log.read_text().splitlines() if "Listening" in line]
        if urls and httpx.get(f"{urls[0]}/readyz").status_code == 200:
            return urls[0]
        time.sleep(0.1)
    raise SystemExit(f"The server does not start: {log.read_text()}")


def client(url: str, image: bytes, path: str, until: float, tally: Tally, number: int) -> None:
    """Post images until the time is over; wait as long as the server says when it is busy."""
    # The server bounds the jobs of each client, and takes the address of a proxy on its own machine for true.
    headers = {"X-Forwarded-For": f"10.0.0.{number}"}
    with httpx.Client(timeout=120, headers=headers) as session:
        while time.monotonic() < until:
            started = time.perf_counter()
            try:
                answer = session.post(f"{url}{path}", content=image)
            except httpx.HTTPError as error:
                tally.broken[type(error).__name__] += 1
                continue
            tally.add(path, answer, time.perf_counter() - started)
            if answer.status_code in (429, 503):
                # A fraction of what is asked for, so that the queue stays under pressure.
                time.sleep(min(0.2 * float(answer.headers.get("retry-after", 1)), max(0.0, until - time.monotonic())))


def load(url: str, image: bytes, clients: int, seconds: float, paths: Sequence[str]) -> Tally:
    """Let the clients loose; each posts to one of the paths."""
    tally, until = Tally(), time.monotonic() + seconds
    threads = [
        threading.Thread(target=client, args=(url, image, paths[number % len(paths)], until, tally, number))
        for number in range(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tally


def large_png() -> bytes:
    """A PNG of 88 megapixels: a few hundred kilobytes to send, and minutes of work."""
    file = io.BytesIO()
    Image.new("RGB", (9400, 9400), (90, 110, 70)).save(file, "PNG", compress_level=1)
    return file.getvalue()


def beside_a_large_image(models: Path, image: bytes, folder: Path, clients: int, seconds: float) -> dict[str, object]:
    """Measure the small requests without and with a large image in work."""
    found: dict[str, object] = {}
    with server(models, folder / "jobs-large", folder / "large.log") as (_, url):
        alone = load(url, image, clients, seconds, ["/v1/segment"])
        job = httpx.post(f"{url}/v1/jobs?filename=large.png", content=large_png(), timeout=120).headers["location"]
        deadline = time.monotonic() + START_S
        while httpx.get(url + job).json()["progress"] == 0 and time.monotonic() < deadline:
            time.sleep(0.1)
        among = load(url, image, clients, seconds, ["/v1/segment"])
        state = httpx.get(url + job).json()
        httpx.delete(url + job)
    for name, tally in (("alone", alone), ("with_88_mpx", among)):
        found[name] = {
            "answers": len(tally.seconds["/v1/segment"]),
            "p50_s": _percentile(tally.seconds["/v1/segment"], 50),
            "p95_s": _percentile(tally.seconds["/v1/segment"], 95),
            "statuses": {str(status): count for (_, status), count in sorted(tally.statuses.items())},
            "broken_connections": dict(tally.broken),
        }
    ratio = np.percentile(among.seconds["/v1/segment"], 95) / np.percentile(alone.seconds["/v1/segment"], 95)
    faults = sum(
        count
        for tally in (alone, among)
        for (_, status), count in tally.statuses.items()
        if status >= 500 and status != 503
    )
    found["large_image"] = {"state": state["state"], "progress": state["progress"]}
    found["p95_ratio"] = round(float(ratio), 2)
    found["passed"] = bool(ratio <= 3 and not faults and not alone.without_retry_after + among.without_retry_after)
    return found


def _percentile(values: Sequence[float], percent: float) -> float | None:
    return round(float(np.percentile(values, percent)), 3) if values else None


class Memory(threading.Thread):
    """The resident memory of a process and its children, looked at five times a second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid = pid
        self.samples_mb: list[float] = []

    def run(self) -> None:
        """Look until the process is gone."""
        while (found := _resident_mb(self.pid)) > 0:
            self.samples_mb.append(found)
            time.sleep(0.2)


def _resident_mb(pid: int) -> float:
    children = Path(f"/proc/{pid}/task")
    try:
        pids = [pid, *(int(child) for path in children.glob("*/children") for child in path.read_text().split())]
        pages = [int(Path(f"/proc/{each}/statm").read_text().split()[1]) for each in pids]
    except (OSError, IndexError):
        return 0.0
    return sum(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6


def stop_in_the_middle(models: Path, image: bytes, folder: Path, count: int) -> Counter[str]:
    """Hand in jobs, stop the server while it works on them, start it again, and look at each."""
    jobs = folder / "jobs-kept"
    with server(models, jobs, folder / "first.log") as (process, url):
        answers = [httpx.post(f"{url}/v1/jobs", content=image, timeout=60) for _ in range(count)]
        accepted = [answer.headers["location"] for answer in answers if answer.status_code == 202]
        process.send_signal(signal.SIGTERM)
        code = process.wait(END_S)
    print(f"stopped with exit code {code}; {len(accepted)} jobs had been accepted")
    with server(models, jobs, folder / "second.log") as (_, url):
        return Counter(_final_state(url + location) for location in accepted)


def _final_state(url: str) -> str:
    deadline = time.monotonic() + END_S
    while time.monotonic() < deadline:
        answer = httpx.get(url)
        if answer.status_code != 200 or answer.json()["state"] not in ("queued", "running"):
            return answer.json().get("state", f"lost ({answer.status_code})")
        time.sleep(0.05)
    return "not ended"


def report(tally: Tally, memory: Memory, seconds: float) -> dict[str, object]:
    """Return the figures as plain values."""
    timings = {
        path: {
            "answers": len(values),
            "p50_s": _percentile(values, 50),
            "p99_s": _percentile(values, 99),
        }
        for path, values in tally.seconds.items()
    }
    half = len(memory.samples_mb) // 2
    return {
        "seconds": seconds,
        "statuses": {f"{path} {status}": count for (path, status), count in sorted(tally.statuses.items())},
        "timings": timings,
        "busy_without_retry_after": tally.without_retry_after,
        "broken_connections": dict(tally.broken),
        "peak_memory_first_half_mb": round(max(memory.samples_mb[:half], default=0)),
        "peak_memory_second_half_mb": round(max(memory.samples_mb[half:], default=0)),
    }


def main() -> None:
    """Run the parts and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--jobs", type=int, default=12, help="how many are submitted before the stop")
    parser.add_argument("--parts", type=int, nargs="+", choices=(1, 2, 3), default=(1, 2, 3))
    options = parser.parse_args()
    image = options.image.read_bytes()
    figures: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if 1 in options.parts:
            with server(options.models, folder / "jobs", folder / "load.log") as (process, url):
                memory = Memory(process.pid)
                memory.start()
                tally = load(url, image, options.clients, options.seconds, ["/v1/segment", "/v1/jobs"])
            figures |= report(tally, memory, options.seconds)
        if 2 in options.parts:
            figures["large_image"] = beside_a_large_image(
                options.models, image, folder, options.clients, options.seconds
            )
        if 3 in options.parts:
            figures["states_after_restart"] = dict(stop_in_the_middle(options.models, image, folder, options.jobs))
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
