"""Measure the source of Overland, or of any package, as a reader meets it.

Counts files and functions with their lengths, private functions that are used once (a reader jumps instead of reading),
public docstrings that describe their parameters, docstrings that ask a riddle instead of making a sentence, parameters
of the kind `**options: Any`, and cycles among imports.

python benchmarks/house_figures.py                       # a table of this tree
python benchmarks/house_figures.py --write               # the same, kept in benchmarks/house.json for ARCHITECTURE.md
python benchmarks/house_figures.py SRC/torchgeo ...      # packages of others
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import statistics
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import networkx as nx

ROOT = Path(__file__).resolve().parent.parent
HOUSE = ROOT / "benchmarks" / "house.json"

Function = ast.FunctionDef | ast.AsyncFunctionDef

# A docstring that begins with one of the first or turns on one of the others has no subject or no verb of its own.
_RIDDLE = re.compile(r"^(What|Whether|How|As|Where|Who|Why)\b|\b(what|as it)\b")


@dataclass(frozen=True)
class House:
    """Figures of one package.

    Attributes:
        package: Its name.
        files: Python files.
        file_median: Median of lines in a file that is not empty.
        file_p90: The ninth decile.
        function_median: Median of lines in the body of a function or method, its docstring left out.
        function_p90: The ninth decile.
        private_once: Fraction of functions that are private and named once in their module.
        described: Fraction of public functions with parameters whose docstring has `Args:`.
        riddles: Docstrings that begin with or turn on What, Whether, How or As it.
        any_keywords: Functions that take `**something: Any`.
        cycles: Groups of modules that import each other when they are loaded.
    """

    package: str
    files: int
    file_median: float
    file_p90: float
    function_median: float
    function_p90: float
    private_once: float
    described: float
    riddles: int
    any_keywords: int
    cycles: int


def house_of(folder: Path) -> House:
    """Measure a package.

    Args:
        folder: Its folder, whose name is the package's.

    Returns:
        Its figures.
    """
    sources = {path: path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.py"))}
    trees = {path: ast.parse(text) for path, text in sources.items()}
    lengths = [len(text.splitlines()) for text in sources.values() if text.strip()]
    functions = [node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, Function)]
    once = [node for tree in trees.values() for node in _private_once(tree)]
    public = [node for tree in trees.values() for node in _public(tree) if _takes_values(node)]
    described = [
        node for node in public if re.search(r"^\s*(Args|Arguments|Parameters|Attributes):?\s*$", _doc(node), re.M)
    ]
    documented = [
        node
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | Function)
    ]
    lines = [_body_lines(node) for node in functions]
    return House(
        package=folder.name,
        files=len(sources),
        file_median=statistics.median(lengths),
        file_p90=_ninth(lengths),
        function_median=statistics.median(lines),
        function_p90=_ninth(lines),
        private_once=len(once) / len(functions),
        described=len(described) / max(len(public), 1),
        riddles=sum(bool(_RIDDLE.search(_doc(node).strip().split("\n\n")[0])) for node in documented),
        any_keywords=sum(_takes_any(node) for node in functions),
        cycles=_cycles(folder, trees),
    )


def house_table(kept: dict[str, Any]) -> str:
    """Write figures that were kept as a table.

    Args:
        kept: The contents of `benchmarks/house.json`: commit, date and the figures of each package.

    Returns:
        A Markdown table and a line that says where it is from.
    """
    titles = (
        "",
        "files",
        "file median / p90 lines",
        "function median / p90 lines",
        "private functions used once",
        "public docstrings with Args",
        "riddles",
        "`**Any`",
        "import cycles",
    )
    rows = [
        f"| {row['package']} | {row['files']} | {row['file_median']:.0f} / {row['file_p90']:.0f} "
        f"| {row['function_median']:.0f} / {row['function_p90']:.0f} | {row['private_once']:.0%} "
        f"| {row['described']:.0%} | {row['riddles']} | {row['any_keywords']} | {row['cycles']} |"
        for row in kept["houses"]
    ]
    origin = f"`python benchmarks/house_figures.py --write`, {kept['commit']}, {kept['date']}."
    return "\n".join([f"| {' | '.join(titles)} |", "|" + "---|" * len(titles), *rows, "", origin])


def _ninth(values: Sequence[int]) -> float:
    return statistics.quantiles(values, n=10, method="inclusive")[-1]


def _doc(node: ast.AST) -> str:
    return (ast.get_docstring(node) or "") if isinstance(node, ast.Module | ast.ClassDef | Function) else ""


def _private_once(tree: ast.Module) -> list[Function]:
    uses = Counter(
        node.id if isinstance(node, ast.Name) else node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Name | ast.Attribute)
    )
    functions = [node for node in ast.walk(tree) if isinstance(node, Function)]
    return [node for node in functions if re.match(r"_[^_]", node.name) and uses[node.name] == 1]


def _body_lines(node: Function) -> int:
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def _public(tree: ast.Module) -> Iterator[Function]:
    for node in tree.body:
        if isinstance(node, Function) and not node.name.startswith("_"):
            yield node
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for item in node.body:
                if isinstance(item, Function) and not item.name.startswith("_"):
                    yield item


def _takes_values(node: Function) -> bool:
    given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return bool([item for item in given if item.arg not in ("self", "cls")] or node.args.vararg or node.args.kwarg)


def _takes_any(node: Function) -> bool:
    kind = node.args.kwarg and node.args.kwarg.annotation
    return isinstance(kind, ast.Name) and kind.id == "Any"


def _cycles(folder: Path, trees: dict[Path, ast.Module]) -> int:
    """Count groups of modules that import each other at their top, where `if TYPE_CHECKING` does not count."""
    modules = {path: ".".join((folder.name, *path.relative_to(folder).with_suffix("").parts)) for path in trees}
    known = {name.removesuffix(".__init__") for name in modules.values()}
    graph: nx.DiGraph[str] = nx.DiGraph()
    for path, tree in trees.items():
        here = modules[path].removesuffix(".__init__")
        for node in tree.body:
            if isinstance(node, ast.Import):
                graph.add_edges_from((here, alias.name) for alias in node.names if alias.name in known)
            elif isinstance(node, ast.ImportFrom):
                # A dot is the package of the module itself, a second one the package around it.
                parts = modules[path].split(".")
                base = ".".join([*parts[: len(parts) - node.level], *filter(None, [node.module])])
                base = base if node.level else str(node.module)
                targets = {f"{base}.{alias.name}" for alias in node.names} & known or {base} & known
                graph.add_edges_from((here, target) for target in targets if target != here)
    return sum(len(group) > 1 for group in nx.strongly_connected_components(graph))


def main() -> None:
    """Print the figures of this tree or of the packages that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", nargs="*", type=Path, default=[ROOT / "src" / "overland"], metavar="FOLDER")
    parser.add_argument("--write", action="store_true", help="keep the figures in benchmarks/house.json")
    options = parser.parse_args()
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty=+"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    kept = {
        "commit": commit.stdout.strip(),
        "date": datetime.now(UTC).date().isoformat(),
        "houses": [asdict(house_of(folder)) for folder in options.packages],
    }
    print(house_table(kept))
    if options.write:
        HOUSE.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
