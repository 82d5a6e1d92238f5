"""The page: one HTML file with everything in it, which opens anywhere and asks no server for anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path
from string import Template

from overland.errors import UsageError

__all__ = ["ReportContent", "Section", "write_report"]


@dataclass(frozen=True)
class Section:
    """A part of the page; `html` is finished, the title is not escaped yet."""

    title: str
    html: str


@dataclass(frozen=True)
class ReportContent:
    """What stands on the page: a title, a sentence below it, the scores to quote, sections, and a line at the end."""

    title: str
    lead: str
    headlines: str
    sections: Sequence[Section]
    footer: str


def write_report(path: str | Path, content: ReportContent, *, overwrite: bool = False) -> None:
    """Write the page, whole or not at all. Raises `UsageError` when the file exists and may not be replaced."""
    path = Path(path)
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name a file such as {path / 'report.html'}.")
    if path.exists() and not overwrite:
        raise UsageError(f"{path} exists already. Add --overwrite to replace it, or choose another name.")
    path.parent.mkdir(parents=True, exist_ok=True)
    template = Template(resources.files("overland.report").joinpath("page.html").read_text(encoding="utf-8"))
    page = template.substitute(
        title=escape(content.title),
        lead=escape(content.lead),
        headlines=content.headlines,
        sections="\n".join(_section(section) for section in content.sections),
        footer=escape(content.footer),
    )
    part = path.with_name(path.name + ".part")
    part.write_text(page, encoding="utf-8")
    part.replace(path)


def _section(section: Section) -> str:
    return f"<section>\n<h2>{escape(section.title)}</h2>\n{section.html}\n</section>"
