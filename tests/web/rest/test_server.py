from __future__ import annotations

import io
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from overland.raster import open_scene
from overland.web.jobs.folder import LOCK, MARKER
from overland.web.jobs.limits import Limits
from overland.web.jobs.queue import JobQueue
from overland.web.rest.server import known_hosts, make_app
from web.bad_uploads import good_png
from web.patience import wait_until

PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def client(queue: JobQueue) -> Iterator[TestClient]:
    with TestClient(make_app(queue), raise_server_exceptions=False) as client:
        _until_ready(client)
        yield client


def _until_ready(client: TestClient) -> None:
    wait_until(lambda: client.get("/readyz").status_code == 200)


def _done(client: TestClient, image: bytes, **params: object) -> str:
    answer = client.post("/v1/jobs", content=image, params=params)
    assert answer.status_code == 202, answer.text
    location = answer.headers["location"]
    wait_until(lambda: client.get(location).json()["state"] not in ("queued", "running"))
    return location


def test_segment_gives_a_summary(client: TestClient, half_bright: bytes) -> None:
    answer = client.post("/v1/segment", content=half_bright)
    assert answer.status_code == 200
    values = answer.json()
    assert values["class_fractions"] == {"background": 0.5, "road": 0.5}
    assert values["areas"]["classes"][1]["area_m2"] == 2400
    assert values["image"]["crs"] == "EPSG:32633"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


def test_segment_gives_a_palette_image(client: TestClient, half_bright: bytes) -> None:
    answer = client.post("/v1/segment", content=half_bright, headers={"Accept": "image/png"})
    assert answer.headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert picture.mode == "P"
        ids = np.array(picture)
        assert picture.getpalette()[3:6] == [228, 87, 46]
    assert (ids[:, :40] == 1).all()
    assert (ids[:, 40:] == 0).all()


def test_segment_gives_a_geotiff(client: TestClient, half_bright: bytes, tmp_path: Path) -> None:
    answer = client.post("/v1/segment", content=half_bright, headers={"Accept": "image/tiff;q=1, image/png;q=0.5"})
    (tmp_path / "mask.tif").write_bytes(answer.content)
    with open_scene(tmp_path / "mask.tif") as scene:
        assert scene.grid.crs == "EPSG:32633"
        assert scene.read()[0][0, :, :40].all()


def test_segment_gives_polygons(client: TestClient, half_bright: bytes) -> None:
    answer = client.post("/v1/segment", content=half_bright, headers={"Accept": "application/geo+json"})
    features = answer.json()["features"]
    assert [feature["properties"]["name"] for feature in features] == ["road"]
    longitude, latitude = features[0]["geometry"]["coordinates"][0][0]
    assert (round(longitude), round(latitude)) == (15, 47)


def test_segment_takes_a_form(client: TestClient, half_bright: bytes) -> None:
    answer = client.post("/v1/segment", files={"image": ("../../x.tif", half_bright, "image/tiff")})
    assert answer.status_code == 200


def test_segment_leaves_nothing(client: TestClient, half_bright: bytes, queue: JobQueue) -> None:
    client.post("/v1/segment", content=half_bright)
    assert {path.name for path in queue.folder.iterdir()} == {LOCK, MARKER}


def test_job_has_its_life(client: TestClient, half_bright: bytes, queue: JobQueue) -> None:
    location = _done(client, half_bright, filename="<b>town</b>.tif")
    job = client.get(location).json()
    assert (job["state"], job["progress"], job["filename"]) == ("done", 1.0, "<b>town</b>.tif")
    assert job["expires"] > job["ended"] >= job["created"]
    for name, link in job["links"].items():
        answer = client.get(link.format(z=0, x=0, y=0))
        assert answer.status_code == 200, (name, answer.text)
    assert client.delete(location).status_code == 204
    assert client.get(location).status_code == 404
    assert client.get(f"{location}/mask.tif").status_code == 404
    assert {path.name for path in queue.folder.iterdir()} == {LOCK, MARKER}


def test_results_can_be_read_in_ranges(client: TestClient, half_bright: bytes) -> None:
    location = _done(client, half_bright)
    answer = client.get(f"{location}/mask.tif", headers={"Range": "bytes=0-3"})
    assert (answer.status_code, answer.content) == (206, b"II*\0")
    client.delete(location)


def test_probabilities_may_be_left_out(client: TestClient, half_bright: bytes) -> None:
    location = _done(client, half_bright, probabilities=False)
    assert "probabilities.tif" not in client.get(location).json()["links"]
    assert client.get(f"{location}/probabilities.tif").status_code == 404
    client.delete(location)


def test_failed_job_says_why(client: TestClient) -> None:
    location = _done(client, b"II*\0junk")
    job = client.get(location).json()
    assert job["state"] == "failed"
    assert job["error"]["status"] == 422
    assert client.get(f"{location}/mask.tif").status_code == 422
    client.delete(location)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("PUT", "/v1/jobs", 405),
        ("GET", "/v1/jobs/../../etc/passwd", 404),
        ("GET", "/v1/jobs/unknown", 404),
        ("GET", "/v1/jobs/unknown/mask.tif", 404),
        ("DELETE", "/v1/jobs/unknown", 404),
        ("GET", "/v1/models/unknown", 404),
        ("POST", "/v1/segment?threshold=2", 422),
        ("POST", "/v1/segment?threshold=nan", 422),
        ("POST", "/v1/segment?bands=0", 422),
        ("POST", "/v1/segment?bands=1;2", 422),
        ("POST", "/v1/segment?tta=all", 422),
        ("POST", "/v1/segment?vector=../x", 422),
        ("POST", "/v1/segment?model=../bright", 404),
        ("POST", "/v1/jobs?probabilities=maybe", 422),
        ("POST", "/v1/segment", 422),
    ],
)
def test_every_error_is_a_problem(client: TestClient, method: str, path: str, status: int) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == PROBLEM
    assert answer.json()["status"] == status
    assert answer.json()["detail"].endswith(".")


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("POST", "/v1/segment?treshold=0.9", "treshold"),
        ("POST", "/v1/segment?threshold=0.9&filename=x", "filename"),
        ("POST", "/v1/jobs?vector=roads", "vector"),
        ("POST", "/v1/jobs?scores=false", "scores"),
        ("GET", "/v1/models?page=2", "page"),
        ("GET", "/v1/jobs/unknown/mask.tif?threshold=0.9", "threshold"),
    ],
)
def test_an_unknown_parameter_is_refused(client: TestClient, method: str, path: str, name: str) -> None:
    answer = client.request(method, path, content=b"II*\0" if method == "POST" else None)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(f"{name}: ")


def test_a_parameter_in_the_form_is_refused(client: TestClient, half_bright: bytes) -> None:
    answer = client.post("/v1/segment", files={"image": ("x.tif", half_bright)}, data={"threshold": "0.9"})
    assert answer.status_code == 422
    assert "?threshold=" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8000", 200),
        ("127.0.0.1:8000", 200),
        ("[::1]:8000", 200),
        ("maps.example.org", 200),
        ("evil.example.org", 400),
        ("localhost.evil.example.org", 400),
        ("", 400),
    ],
)
def test_a_host_that_the_server_is_not_known_by_is_refused(queue: JobQueue, host: str, status: int) -> None:
    hosts = known_hosts("127.0.0.1", ["Maps.example.org"])
    with TestClient(make_app(queue, hosts=hosts)) as client:
        assert client.get("/v1/models", headers={"Host": host}).status_code == status
        assert client.get("/healthz", headers={"Host": host}).status_code == 200


def test_every_name_is_known_where_the_server_listens_on_every_address() -> None:
    assert known_hosts("0.0.0.0", []) is None
    assert known_hosts("127.0.0.1", ["*"]) is None
    assert known_hosts("0.0.0.0", ["maps.example.org"]) == {
        "localhost",
        "127.0.0.1",
        "::1",
        "0.0.0.0",
        "maps.example.org",
    }


def test_jobs_of_one_client_are_bounded(models: Path, half_bright: bytes) -> None:
    with JobQueue(models, Limits(per_client=1)) as queue, TestClient(make_app(queue)) as client:
        answers = [client.post("/v1/jobs", content=half_bright) for _ in range(6)]
        assert {answer.status_code for answer in answers} == {202, 429}
        assert all("of yours" in answer.json()["detail"] for answer in answers if answer.status_code == 429)


def test_unknown_result_is_a_problem(client: TestClient, half_bright: bytes) -> None:
    location = _done(client, half_bright)
    for name in ("job.json", "upload", "%2e%2e", "queue.lock"):
        assert client.get(f"{location}/{name}").status_code == 404
    client.delete(location)


def test_nothing_acceptable_is_406(client: TestClient, half_bright: bytes) -> None:
    answer = client.post("/v1/segment", content=half_bright, headers={"Accept": "text/html"})
    assert answer.status_code == 406


def test_body_is_limited_with_and_without_its_length(client: TestClient, queue: JobQueue) -> None:
    size = queue.limits.max_bytes + (1 << 17)

    def chunks() -> Iterator[bytes]:
        for _ in range(0, size, 1 << 16):
            yield bytes(1 << 16)

    for body in ({"content": bytes(size)}, {"content": chunks()}, {"files": {"image": ("x.tif", bytes(size))}}):
        answer = client.post("/v1/segment", **body)
        assert (answer.status_code, answer.headers["content-type"]) == (413, PROBLEM)


def test_form_without_a_file_is_a_problem(client: TestClient) -> None:
    answer = client.post("/v1/segment", data={"image": "scene.tif"})
    assert answer.status_code in (415, 422)


def test_image_too_large_to_wait_for(models: Path, half_bright: bytes) -> None:
    with JobQueue(models, Limits(sync_pixels=1000)) as queue, TestClient(make_app(queue)) as client:
        answer = client.post("/v1/segment", content=half_bright)
        assert answer.status_code == 413
        assert "/v1/jobs" in answer.json()["detail"]
        assert client.get(_done(client, half_bright)).json()["state"] == "done"


def test_waiting_ends_with_a_word_when_to_come_again(models: Path, half_bright: bytes) -> None:
    with JobQueue(models, Limits(wait_s=0.01)) as queue, TestClient(make_app(queue)) as client:
        answer = client.post("/v1/segment", content=half_bright)
        # Its turn has not come: the server is busy, the work is not slow.
        assert (answer.status_code, bool(answer.headers["retry-after"])) == (503, True)
        assert queue.jobs == []


def test_full_queue_is_429(models: Path, half_bright: bytes) -> None:
    with JobQueue(models, Limits(queue=1)) as queue, TestClient(make_app(queue)) as client:
        answers = [client.post("/v1/jobs", content=half_bright) for _ in range(6)]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert refused
        assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)


def test_stopping_server_is_not_ready(models: Path, half_bright: bytes) -> None:
    with JobQueue(models) as queue, TestClient(make_app(queue)) as client:
        queue.stop_taking()
        for answer in (client.get("/readyz"), client.post("/v1/segment", content=half_bright)):
            assert answer.status_code == 503
            assert answer.headers["retry-after"]


def test_key_is_asked_for(queue: JobQueue, half_bright: bytes) -> None:
    with TestClient(make_app(queue, api_key="s3cret")) as client:
        for headers in ({}, {"X-API-Key": "wrong"}, {"Authorization": "Basic s3cret"}, {"Authorization": "Bearer "}):
            answer = client.get("/v1/models", headers=headers)
            assert (answer.status_code, answer.headers["content-type"]) == (401, PROBLEM)
        for headers in ({"X-API-Key": "s3cret"}, {"Authorization": "Bearer s3cret"}):
            assert client.get("/v1/models", headers=headers).status_code == 200
        assert client.post("/v1/segment", content=half_bright).status_code == 401
        assert client.get("/metrics").status_code == 401
        assert client.get("/healthz").status_code == 200


def test_models_are_described(client: TestClient) -> None:
    (model,) = client.get("/v1/models").json()["models"]
    assert (model["name"], model["bands"], model["dtype"]) == ("bright", 3, "uint8")
    assert model["classes"][1] == {"id": 1, "name": "road", "color": "#e4572e"}
    assert client.get("/v1/models/bright").json()["card"] == "# Made\n"


def test_metrics_count_by_route(client: TestClient) -> None:
    client.get("/v1/jobs/unknown")
    client.get('/no"where')
    lines = client.get("/metrics").text.splitlines()
    assert any(
        line.startswith('overland_requests_total{method="GET",route="/v1/jobs/{id}",status="404"}') for line in lines
    )
    assert not any("where" in line for line in lines)
    assert {line.split()[2] for line in lines if line.startswith("# TYPE")} >= {
        "overland_requests_total",
        "overland_request_seconds",
        "overland_jobs",
        "overland_queue_length",
        "overland_resident_memory_bytes",
    }


def test_description_has_examples_and_summaries(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    operations = [operation for methods in paths.values() for operation in methods.values()]
    assert len(operations) >= 9
    assert all(operation["summary"] for operation in operations)
    assert "image/tiff" in paths["/v1/segment"]["post"]["requestBody"]["content"]
    assert paths["/v1/jobs/{id}"]["get"]["responses"]["200"]["content"]["application/json"]["example"]


def test_home_lists_the_routes_and_loads_nothing(client: TestClient) -> None:
    page = client.get("/").text
    assert "/v1/segment" in page
    assert "<script" not in page
    assert "//" not in page
    assert client.get("/docs").status_code == 404


def test_tiles_show_the_map_and_leave_the_background_clear(client: TestClient, half_bright: bytes) -> None:
    location = _done(client, half_bright)
    links = client.get(location).json()["links"]
    info = client.get(links["info"]).json()
    west, south, east, north = info["bounds"]
    assert 14.9 < west < east < 15.1
    assert info["classes"] == {"0": "background", "1": "road"}
    z = info["maxzoom"]
    x, y = _tile_of((west + east) / 2, (south + north) / 2, z)
    seen = set()
    for column in (x - 1, x, x + 1):
        answer = client.get(links["tiles"].format(z=z, x=column, y=y))
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
        with Image.open(io.BytesIO(answer.content)) as tile:
            assert tile.size == (256, 256)
            seen |= {color for _, color in tile.convert("RGBA").getcolors()}
    # What is clear may be of any colour.
    assert {color for color in seen if color[3]} == {(228, 87, 46, 255)}
    assert any(not color[3] for color in seen)
    assert client.get(links["tiles"].format(z=3, x=8, y=0)).status_code == 422
    client.delete(location)


def _tile_of(longitude: float, latitude: float, z: int) -> tuple[int, int]:
    y = math.asinh(math.tan(math.radians(latitude))) / math.pi
    return int((longitude + 180) / 360 * 2**z), int((1 - y) / 2 * 2**z)


def test_image_without_a_place_has_no_tiles(client: TestClient) -> None:
    location = _done(client, good_png())
    links = client.get(location).json()["links"]
    assert "tiles" not in links
    assert client.get(f"{location}/cog/info").status_code == 422
    client.delete(location)
