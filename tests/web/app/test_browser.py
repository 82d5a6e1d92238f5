"""The app in a real browser, started from the command line: from the upload to the files."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenes import utm_grid, write_image
from web.patience import PATIENCE_S

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")

from overland.raster import open_scene
from overland.synthetic import synthetic_landscape
from overland.vector import read_layer

_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
if _CHROMIUM is None and not os.environ.get("CI"):
    pytest.skip("Chromium is not installed, so the app is not looked at in a browser", allow_module_level=True)

_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_WAIT_MS = 600_000


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("server")
    command = [sys.executable, "-c", "from overland.cli import main; main()", "app", "--port", str(port)]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, cwd=folder, stdout=log, stderr=log) as server:
        url = f"http://127.0.0.1:{port}"
        try:
            _wait_for(url)
            yield url
        finally:
            server.terminate()
    assert "Traceback" not in (folder / "log").read_text()


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=1):
                return
        except OSError:
            assert time.monotonic() < deadline, "the app does not start"
            time.sleep(0.2)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    assert _CHROMIUM is not None, "CI installs Chromium"
    with playwright.sync_playwright() as player:
        browser = player.chromium.launch(executable_path=_CHROMIUM, args=_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    named = os.environ.get("OVERLAND_SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    landscape = synthetic_landscape(5, 256, 320)
    return write_image(tmp_path_factory.mktemp("scene") / "my town.tif", landscape.image, utm_grid(256, 320, 0.5))


def open_page(browser: Any, url: str, *, width: int = 1440, scheme: str = "light") -> Any:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(_WAIT_MS)
    page.asked = []
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(url)
    page.wait_for_selector(".viewer canvas")
    settle(page)
    return page


def settle(page: Any) -> None:
    """Wait until the page has heard all of what it asked for."""
    page.wait_for_timeout(300)
    page.wait_for_function("!document.querySelector('[data-testid=stStatusWidget]')")
    page.wait_for_timeout(200)


def choose(page: Any, name: str) -> None:
    page.get_by_role("radio", name=name, exact=True).click()
    settle(page)


def choose_model(page: Any, name: str) -> None:
    page.get_by_role("combobox", name="Model").click()
    page.get_by_role("option", name=name).click()
    settle(page)


def download(page: Any, name: str, folder: Path) -> Path:
    with page.expect_download() as waiting:
        page.get_by_role("button", name=name, exact=True).click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def colors_in_view(page: Any) -> np.ndarray:
    """The colours of the viewer's right half, sampled."""
    found = page.locator(".viewer canvas").evaluate(
        """canvas => {
            const [w, h] = [canvas.width, canvas.height];
            const pixels = canvas.getContext("2d").getImageData(w / 2, 0, w / 2, h).data;
            return Array.from(pixels.filter((_, i) => i % 97 < 3));
        }"""
    )
    return np.array(found)


def test_from_upload_to_files(browser: Any, url: str, scene: Path, pictures: Path, tmp_path: Path) -> None:
    page = open_page(browser, url)
    assert page.get_by_text("synthetic imagery").is_visible()
    page.screenshot(path=pictures / "app-example.png")
    choose_model(page, "example: roads")
    page.locator("input[type=file]").first.set_input_files(scene)
    page.get_by_text("my town.tif").nth(1).wait_for()
    page.locator(".facts", has_text="320 × 256 px").wait_for()
    settle(page)
    tuned = road_fraction(page)
    assert road_fraction_at(page, "End") < tuned < road_fraction_at(page, "Home")
    choose(page, "Morphological")
    page.locator(".facts", has_text="clean-up changed").wait_for()
    page.screenshot(path=pictures / "app-upload.png")
    choose(page, "Download")
    with open_scene(scene) as sent, open_scene(download(page, "GeoTIFF", tmp_path)) as fetched:
        assert fetched.grid == sent.grid
    layer = read_layer(download(page, "Polygons, GeoPackage", tmp_path))
    assert layer.crs == "EPSG:32633"
    assert len(layer)
    assert {path.name for path in tmp_path.iterdir()} == {"my-town-map.tif", "my-town-polygons.gpkg"}
    assert [
        asked for asked in page.asked if not asked.startswith((url, url.replace("http", "ws"), "data:", "blob:"))
    ] == []
    other = open_page(browser, url)
    assert "my town" not in other.content()
    assert other.get_by_text("1,024 × 1,024 px").is_visible()


def road_fraction(page: Any) -> float:
    return float(road_cell(page).inner_text().rstrip("%"))


def road_fraction_at(page: Any, key: str) -> float:
    """The share of road with the slider of the threshold at an end of it."""
    before = road_cell(page).inner_text()
    page.get_by_role("slider", name="Threshold for road").press(key)
    playwright.expect(road_cell(page)).not_to_have_text(before, timeout=_WAIT_MS)
    settle(page)
    return road_fraction(page)


def road_cell(page: Any) -> Any:
    return page.locator(".areas tr", has_text="road").first.locator("td").nth(2)


def test_views(browser: Any, url: str, pictures: Path) -> None:
    page = open_page(browser, url, scheme="dark")
    half = colors_in_view(page)
    divider = page.get_by_role("slider", name="Divider between image and map")
    divider.press("ArrowRight")
    page.wait_for_timeout(300)
    assert divider.get_attribute("aria-valuenow") == "55"
    assert (colors_in_view(page) != half).any()
    for view, name in {"side": "Side by side", "overlay": "Overlay", "map": "Map"}.items():
        choose(page, name)
        page.wait_for_selector(f".viewer[data-view={view}]")
        page.screenshot(path=pictures / f"app-{view}.png")
    # A map knows where it is: somewhere in the lowlands of central Europe.
    box = page.locator(".viewer canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    latitude = float(page.locator(".viewer .place").inner_text().split("°")[0])
    assert 48 < latitude < 53


def test_on_a_phone_nothing_is_cut_off(browser: Any, url: str, pictures: Path) -> None:
    page = open_page(browser, url, width=390)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        settle(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.screenshot(path=pictures / f"app-phone-{scheme}.png")
