"""The page as Chromium shows and prints it."""

import re
import shutil

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")

from overland.reporting.html import ReportContent, Section, class_table, facts, headline, write_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None:
    pytest.skip("Chromium is not installed, so the report is not looked at in a browser", allow_module_level=True)

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
ARGUMENTS += ["--disable-component-update", "--disable-sync"]
SCORES = dict.fromkeys(("iou", "f1", "precision", "recall", "accuracy"), 0.5) | {"support": 1_234_567}
TABLE = class_table({"classes": {"a class with a long name": SCORES, "road": SCORES}, "miou": 0.5}, {}, "synthetic")
SETTINGS = f"<details><summary>Settings</summary>{facts({f'setting {n}': n for n in range(30)})}</details>"
PAGE = ReportContent(
    title="a-model-with-a-name-that-is-much-longer-than-a-phone-is-wide",
    lead="A lead.",
    headlines=headline("IoU", {"value": 0.5, "low": 0.4, "high": 0.6}),
    sections=[Section("Scores", TABLE), Section("Model", facts({"mean": [110.982, 116.753, 83.5787]}) + SETTINGS)],
    footer="The end.",
)


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def url(tmp_path):
    write_report(tmp_path / "report.html", PAGE)
    return (tmp_path / "report.html").as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_the_page_down_alone_and_asks_no_server(browser, url, scheme):
    page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(url)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert asked == [url]


def test_on_paper_it_is_a4_in_its_colours_with_all_settings(browser, url):
    page = browser.new_page(color_scheme="dark")
    page.goto(url)
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).printColorAdjust") == "exact"
    assert page.locator("details .facts").is_visible()
    printed = page.pdf(prefer_css_page_size=True)
    width, height = map(float, re.search(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", printed).groups())
    assert (width, height) == pytest.approx((595.3, 841.9), abs=1)
