from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from models_made import threshold_bundle
from overland.errors import UsageError
from overland.raster import open_scene
from overland.sagemaker.serve import make_sagemaker_app
from overland.web.jobs.folder import LOCK, MARKER
from overland.web.jobs.queue import JobQueue

PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def client(queue: JobQueue) -> Iterator[TestClient]:
    with TestClient(make_sagemaker_app(queue), raise_server_exceptions=False) as client:
        deadline = time.monotonic() + 60
        while client.get("/ping").status_code != 200 and time.monotonic() < deadline:
            time.sleep(0.05)
        yield client


def invoke(client: TestClient, body: bytes, content_type: str = "image/tiff", **headers: str):
    return client.post("/invocations", content=body, headers={"Content-Type": content_type, **headers})


def test_a_png_holds_class_ids(client: TestClient, half_bright: bytes) -> None:
    answer = invoke(client, half_bright, Accept="image/png")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert (np.array(picture) == (np.arange(80) < 40)).all()
    assert invoke(client, half_bright, Accept="*/*").headers["content-type"] == "image/png"


def test_a_jpeg_is_taken_by_the_built_in_algorithm_s_names(client: TestClient) -> None:
    pixels = np.full((32, 32, 3), 200, np.uint8)
    body = io.BytesIO()
    Image.fromarray(pixels).save(body, "JPEG")
    for name in ("image/jpeg", "application/x-image", "image/jpeg; charset=binary"):
        answer = invoke(client, body.getvalue(), name)
        assert answer.status_code == 200, name
        assert (np.array(Image.open(io.BytesIO(answer.content))) == 1).all()


def test_a_geotiff_keeps_its_place(client: TestClient, half_bright: bytes, tmp_path: Path) -> None:
    answer = invoke(client, half_bright, Accept="image/tiff")
    (tmp_path / "mask.tif").write_bytes(answer.content)
    with open_scene(tmp_path / "mask.tif") as scene:
        assert scene.grid.crs == "EPSG:32633"


@pytest.mark.parametrize(
    ("content_type", "accept", "status", "detail"),
    [
        ("application/x-recordio-protobuf", "image/png", 415, "The body is application/x-recordio-protobuf; send"),
        ("application/json", "image/png", 415, "The body is application/json; send"),
        ("image/tiff", "application/x-recordio-protobuf", 406, "This is offered as image/png, image/tiff."),
    ],
)
def test_other_forms_are_refused(
    client: TestClient, half_bright: bytes, content_type: str, accept: str, status: int, detail: str
) -> None:
    answer = invoke(client, half_bright, content_type, Accept=accept)
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM)
    assert detail in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "status"), [(b"", 422), (b"<xml/>", 415), (b"\x89PNG\r\n\x1a\n broken", 422), (bytes(1_000_001), 413)]
)
def test_what_is_no_image_is_a_problem_and_leaves_nothing(
    client: TestClient, queue: JobQueue, body: bytes, status: int
) -> None:
    answer = invoke(client, body, "image/png")
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM)
    assert {path.name for path in queue.folder.iterdir()} == {LOCK, MARKER}


def test_nothing_else_is_served(client: TestClient) -> None:
    assert client.get("/invocations").status_code == 405
    assert client.get("/v1/models").status_code == 404


def test_two_models_are_one_too_many(tmp_path: Path) -> None:
    for name in ("best", "last"):
        threshold_bundle(tmp_path / name, bands=3)
    with JobQueue(tmp_path) as queue, pytest.raises(UsageError, match="several models"):
        make_sagemaker_app(queue)
