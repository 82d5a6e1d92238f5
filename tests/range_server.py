"""A web server that sends parts of files, in a process of its own: GDAL may hold Python's lock while it waits.

Names decide how it behaves: "whole" ignores ranges, "secret" is refused, "busy" answers each range with 503 at first.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class RangeServer:
    """The server as the tests see it."""

    def __init__(self, port: str) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def served(self) -> list[tuple[str, int]]:
        """Method and bytes sent of each request since the last call."""
        with urllib.request.urlopen(f"{self.url}/served") as answer:
            return [tuple(line) for line in json.load(answer)]


@contextmanager
def range_server(folder: Path) -> Iterator[RangeServer]:
    """Serve the files of a folder."""
    with subprocess.Popen([sys.executable, __file__, str(folder)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield RangeServer(process.stdout.readline().strip())
        finally:
            process.kill()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder = Path()
    served: list[tuple[str, int]] = []  # noqa: RUF012 - one server in the process
    was_busy: set[str] = set()  # noqa: RUF012

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        if self.path == "/served":
            body = json.dumps(self.served).encode()
            self.served.clear()
            return self._send(200, body)
        return self._answer()

    def _answer(self) -> None:
        name = self.path.split("?")[0].strip("/")
        path, wanted = self.folder / name, self.headers.get("Range")
        if "secret" in name:
            return self._send(403, b"")
        if not path.is_file():
            return self._send(404, b"")
        if "busy" in name and wanted not in (None, *self.was_busy):
            self.was_busy.add(wanted)
            return self._send(503, b"")
        raw, tag = path.read_bytes(), f'"{path.stat().st_mtime_ns}"'
        found = re.match(r"bytes=(\d+)-(\d*)", wanted or "")
        if found is None or "whole" in name:
            return self._send(200, raw, ETag=tag)
        first, last = int(found[1]), min(int(found[2] or len(raw) - 1), len(raw) - 1)
        part = {"ETag": tag, "Content-Range": f"bytes {first}-{last}/{len(raw)}"}
        return self._send(206, raw[first : last + 1], **part)

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), "Accept-Ranges": "bytes", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        is_body = self.command == "GET"
        if self.path != "/served":
            self.served.append((self.command, len(body) if is_body else 0))
        if is_body:
            self.wfile.write(body)


if __name__ == "__main__":
    _Handler.folder = Path(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
