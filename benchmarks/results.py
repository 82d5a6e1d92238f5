"""What a benchmark found: a Markdown table on the screen, and a JSON file that the documentation is made from."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"

sys.path.append(str(ROOT / "runs"))
from provenance import provenance, write_figures  # noqa: E402 - it lives with the scripts of the accuracy figures

__all__ = ["Row", "json_option", "markdown_table", "origin", "publish", "section"]

Row = dict[str, Any]
"""A line of a table: value by heading, the same headings in each line."""

# What decides the speed of a network on a CPU, in the kernel's words.
_INSTRUCTIONS = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "asimd")


def json_option(parser: argparse.ArgumentParser) -> None:
    """Give a benchmark the option `--json OUT`."""
    parser.add_argument(
        "--json", type=Path, metavar="OUT", help="keep the result, such as benchmarks/results/NAME.json"
    )


def origin() -> dict[str, str]:
    """Commit, date, machine and command; to be taken before the work starts."""
    source = provenance()
    return source | {"machine": f"{source['machine']}{_instructions()}", "command": _command(sys.argv)}


def publish(
    path: Path | None, source: dict[str, str], *, title: str, method: str, rows: Sequence[Row], **values: Any
) -> None:
    """Print the table, and write everything to `path` when there is one; `method` says how the figures were made."""
    print(f"\n{markdown_table(rows)}\n", flush=True)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_figures(path, {"title": title, "method": method, **source, "rows": list(rows), **values})


def section(result: dict[str, Any]) -> str:
    """The part of the documentation that one JSON file makes."""
    source = f"`{result['command']}`\n\nCommit {result['commit']}, {result['date']}, {result['machine']}."
    return f"### {result['title']}\n\n{result['method']}\n\n{markdown_table(result['rows'])}\n\n{source}\n"


def markdown_table(rows: Sequence[Row]) -> str:
    """Lines of a Markdown table; a column whose first value is a number is set to the right."""
    headings = list(rows[0])
    rules = ["--:" if isinstance(rows[0][name], int | float) else "---" for name in headings]
    cells = [[_cell(row[name]) for name in headings] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in (headings, rules, *cells))


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _instructions() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return ""
    flags = set(re.findall(r"[a-z0-9_]+", cpuinfo.read_text(encoding="utf-8")))
    found = [name for name in _INSTRUCTIONS if name in flags]
    return f" ({', '.join(found)})" if found else ""


def _command(words: Sequence[str]) -> str:
    # Folders of the machine at hand say nothing to others; where the JSON went says nothing at all.
    script, *options = words
    kept = " ".join(options)
    kept = re.sub(r"--json[ =]\S+ ?", "", kept)
    return f"python benchmarks/{Path(script).name} {re.sub(r'(?<![^ =])/[^ ]*/', '', kept)}".strip()


def _main() -> None:
    for path in sys.argv[1:]:
        print(section(json.loads(Path(path).read_text(encoding="utf-8"))))


if __name__ == "__main__":
    _main()
