from html.parser import HTMLParser

import pytest

from overland.errors import UsageError
from overland.reporting.html import ReportContent, Section, write_report

CONTENT = ReportContent("Roads & <paths>", "A lead.", "<p>0.5</p>", [Section("Map", "<p>map</p>")], "The end.")


class _Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.outside = []

    def handle_starttag(self, tag, attrs):
        targets = [value for name, value in attrs if name in ("src", "href")]
        self.outside += [value for value in targets if not value.startswith(("data:", "#"))]
        if tag in ("script", "link", "iframe"):
            self.outside.append(tag)


def test_the_page_holds_everything_and_asks_no_server(tmp_path):
    write_report(tmp_path / "new" / "report.html", CONTENT)
    page = (tmp_path / "new" / "report.html").read_text(encoding="utf-8")
    links = _Links()
    links.feed(page)

    assert "Roads &amp; &lt;paths&gt;" in page
    assert "<h2>Map</h2>" in page
    assert links.outside == []
    assert "url(" not in page
    assert "@import" not in page


def test_an_existing_page_is_not_replaced_unasked(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("mine")

    with pytest.raises(UsageError, match="--overwrite"):
        write_report(path, CONTENT)
    assert path.read_text() == "mine"
    write_report(path, CONTENT, overwrite=True)
    assert "Overland report" in path.read_text(encoding="utf-8")


def test_a_folder_is_no_page(tmp_path):
    with pytest.raises(UsageError, match="folder"):
        write_report(tmp_path, CONTENT)
