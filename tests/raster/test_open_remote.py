import numpy as np
import pytest
from affine import Affine

from overland.errors import AccessError, DataError
from overland.raster import Grid, Window, create_raster, open_scene
from overland.raster.open import access_error, is_remote, remote_settings, vsi_path, web_identity
from range_server import range_server

PIXELS = np.random.default_rng(0).integers(0, 255, (3, 1600, 1600), dtype=np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    grid = Grid(height=1600, width=1600, transform=Affine(1, 0, 0, 0, -1, 0), crs="EPSG:32633")
    with create_raster(folder / "cog.tif", grid, count=3) as writer:
        writer.write(PIXELS, grid.window)
    for name in ("whole", "busy", "secret"):
        (folder / f"{name}.tif").write_bytes((folder / "cog.tif").read_bytes())
    (folder / "page.tif").write_text("<html>Please log in</html>")
    return folder


@pytest.fixture(scope="module")
def server(folder):
    with range_server(folder) as server:
        yield server


@pytest.mark.parametrize(
    ("path", "vsi", "remote"),
    [
        ("https://a.org/x.tif?sig=1", "/vsicurl/https://a.org/x.tif?sig=1", True),
        ("s3://bucket/x.tif", "/vsis3/bucket/x.tif", True),
        ("/vsicurl/http://a.org/x.tif", "/vsicurl/http://a.org/x.tif", True),
        ("/vsizip//vsicurl/http://a.org/x.zip/x.tif", "/vsizip//vsicurl/http://a.org/x.zip/x.tif", True),
        ("/vsizip/x.zip/x.tif", "/vsizip/x.zip/x.tif", False),
        ("C:/data/x.tif", "C:/data/x.tif", False),
        ("data/s3/x.tif", "data/s3/x.tif", False),
    ],
)
def test_urls_are_told_from_files(path, vsi, remote):
    assert (vsi_path(path), is_remote(path)) == (vsi, remote)


def test_a_file_on_a_server_is_read_as_if_it_were_here_and_fetched_once(server, folder):
    server.served()
    with open_scene(f"{server.url}/cog.tif") as scene:
        for row in range(0, 1600, 400):
            part = scene.read(scene.grid.window.intersection(Window(col_off=0, row_off=row, width=1600, height=400)))[0]
            np.testing.assert_array_equal(part, PIXELS[:, row : row + 400])
    served = server.served()
    assert sum(count for _, count in served) < 1.1 * (folder / "cog.tif").stat().st_size
    assert len(served) < 20


def test_a_busy_server_is_asked_again(server, monkeypatch):
    monkeypatch.setenv("GDAL_HTTP_RETRY_DELAY", "0.01")
    with remote_settings(), open_scene(f"{server.url}/busy.tif") as scene:
        np.testing.assert_array_equal(scene.read()[0], PIXELS)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("missing.tif", AccessError, "no such file; check the address"),
        ("secret.tif", AccessError, "Access was refused"),
        ("whole.tif", AccessError, "download it"),
        ("page.tif", DataError, "cannot be opened as a raster"),
    ],
)
def test_what_a_server_refuses_is_said_with_the_way_out(server, name, error, message):
    with pytest.raises(error, match=message):
        open_scene(f"{server.url}/{name}")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/x.tif", "https://no-such-server.invalid/x.tif"])
def test_a_server_that_is_not_there_is_said(url):
    with pytest.raises(AccessError, match="again later|check the address"):
        open_scene(url)


@pytest.mark.parametrize(
    "cause",
    [
        "AWS_SECRET_ACCESS_KEY and AWS_NO_SIGN_REQUEST configuration options not defined",
        "The AWS Access Key Id you provided does not exist in our records.",
    ],
)
def test_missing_credentials_are_said(cause):
    assert "AWS_NO_SIGN_REQUEST=YES" in str(access_error("s3://b/x.tif", cause.replace("AWS ", "AWS_")))
    assert access_error("s3://b/x.tif", "not recognized as a supported format") is None


def test_a_file_on_a_server_is_known_by_its_tag_and_size(server, folder):
    before = web_identity(f"{server.url}/cog.tif")
    assert f"{(folder / 'cog.tif').stat().st_size} bytes" in before
    assert web_identity(f"{server.url}/cog.tif") == before
    (folder / "changing.tif").write_bytes(b"one")
    first = web_identity(f"{server.url}/changing.tif")
    (folder / "changing.tif").write_bytes(b"two")
    assert web_identity(f"{server.url}/changing.tif") != first
    assert web_identity(f"{server.url}/missing.tif") is None
    assert web_identity("s3://bucket/x.tif") is None


def test_settings_of_the_user_win(monkeypatch):
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "9")
    with remote_settings():
        import rasterio.env

        settings = rasterio.env.getenv()
        assert "GDAL_HTTP_MAX_RETRY" not in settings
        assert settings["GDAL_DISABLE_READDIR_ON_OPEN"] == "EMPTY_DIR"
