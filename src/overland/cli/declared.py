"""Signatures and docstrings of verbs, read from their source without importing it.

`overland predict --help` needs the parameters of `overland.workflows.predict.predict`, not numpy. So the file of the
module is parsed (`ast`), and names of types and constants are followed to the modules of Overland that define them.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

__all__ = ["REQUIRED", "Declaration", "Kind", "Parameter", "read_dataclass", "read_function"]

REQUIRED: Any = type("Required", (), {"__repr__": lambda self: "REQUIRED"})()
"""Default of a parameter that has none."""

_SECTIONS = frozenset({"Args", "Arguments", "Attributes", "Returns", "Raises", "Yields", "Note", "Notes"})
_SECTIONS |= {"Example", "Examples", "Source", "Sources", "References"}
_TEXTS = frozenset({"str", "Path", "PathLike", "os.PathLike", "pathlib.Path"})
_MANY = frozenset({"Sequence", "list", "Iterable", "Collection", "tuple", "frozenset", "set"})
_MAPPINGS = frozenset({"Mapping", "dict"})

_Node = TypeVar("_Node", ast.FunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class Kind:
    """The kind of value that a parameter takes on a command line.

    Attributes:
        name: `text`, `path`, `int`, `float`, `bool`, `choice`, `numbers` (with commas between them), `mapping`, or
            `other` for what no command line can give.
        many: True where several values are taken.
        choices: The values of a `choice`.
        item: The kind of the items of `numbers` and of the values of a `mapping`: `int`, `float` or `text`.
        length: The number of items of `numbers`; None for any number.
    """

    name: str
    many: bool = False
    choices: tuple[Any, ...] = ()
    item: str = "text"
    length: int | None = None


@dataclass(frozen=True)
class Parameter:
    """One parameter of a verb, or one field of a dataclass.

    Attributes:
        name: Its name in Python.
        kind: The kind of its values.
        default: Its default, or `REQUIRED`.
        positional: True where it stands before the `*` of the signature.
        help: Its text in the docstring; empty where there is none.
        annotation: Its type as it is written.
    """

    name: str
    kind: Kind
    default: Any
    positional: bool
    help: str
    annotation: str


@dataclass(frozen=True)
class Declaration:
    """A verb or a dataclass as its source declares it.

    Attributes:
        module: Name of its module.
        name: Name of the function or the class.
        summary: First paragraph of the docstring.
        body: The paragraphs that follow, without the sections.
        parameters: Parameters or fields by name, in their order.
        takes_more: True where it ends in `**something`.
    """

    module: str
    name: str
    summary: str
    body: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    takes_more: bool = False


def read_function(target: str) -> Declaration:
    """Read a function's signature and docstring.

    Args:
        target: Its module and name, such as `overland.workflows.areas:areas`.

    Returns:
        Its parameters with kinds, defaults and help texts, and the docstring's other parts.

    Raises:
        LookupError: There is no such function.
        TypeError: A default is no literal and no constant of a module of Overland.
    """
    module, name = target.split(":")
    node = _definition(module, name, ast.FunctionDef)
    summary, body, texts = _docstring(ast.get_docstring(node))
    given = node.args
    before = [*given.posonlyargs, *given.args]
    missing = len(before) - len(given.defaults)
    pairs = [(item, default, True) for item, default in zip(before, [*[None] * missing, *given.defaults], strict=True)]
    pairs += [(item, default, False) for item, default in zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    parameters = {
        item.arg: _parameter(module, item.arg, item.annotation, default, positional, texts.get(item.arg, ""))
        for item, default, positional in pairs
    }
    return Declaration(module, name, summary, body, parameters, given.kwarg is not None)


def read_dataclass(target: str) -> Declaration:
    """Read the fields of a dataclass.

    The help of a field is its text under `Attributes:` or `Args:` of the docstring, or the text that its value carries:
    `help_text` or the second value of a call such as `_setting(8, "Chips in a batch.")`, or `metadata={"help": ...}`.

    Args:
        target: Its module and name, such as `overland.settings:TrainSettings`.

    Returns:
        Its fields as keyword parameters.

    Raises:
        LookupError: There is no such class.
        TypeError: A default is no literal and no constant of a module of Overland.
    """
    module, name = target.split(":")
    node = _definition(module, name, ast.ClassDef)
    summary, body, texts = _docstring(ast.get_docstring(node))
    parameters = {}
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            default, text = _field_value(item.value)
            known = texts.get(item.target.id) or text
            parameters[item.target.id] = _parameter(module, item.target.id, item.annotation, default, False, known)
    return Declaration(module, name, summary, body, parameters)


def _field_value(value: ast.expr | None) -> tuple[ast.expr | None, str]:
    if not isinstance(value, ast.Call):
        return value, ""
    named = {keyword.arg: keyword.value for keyword in value.keywords}
    default = value.args[0] if value.args else named.get("default", named.get("default_factory"))
    text = value.args[1] if len(value.args) > 1 else named.get("help_text", named.get("help"))
    if text is None and isinstance(metadata := named.get("metadata"), ast.Dict):
        keys = [key.value if isinstance(key, ast.Constant) else None for key in metadata.keys]
        text = metadata.values[keys.index("help")] if "help" in keys else None
    return default, ast.literal_eval(text) if text is not None else ""


def _parameter(
    module: str, name: str, annotation: ast.expr | None, default: ast.expr | None, positional: bool, text: str
) -> Parameter:
    kind = Kind("other") if annotation is None else _kind(module, annotation)
    value = REQUIRED if default is None else _value(module, default, kind)
    return Parameter(name, kind, value, positional, text, "" if annotation is None else ast.unparse(annotation))


def _value(module: str, node: ast.expr, kind: Kind) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        pass
    if isinstance(node, ast.Name) and (found := _assigned(module, node.id)) is not None:
        return _value(*found, kind)
    if isinstance(node, ast.BinOp):
        # The only arithmetic that a default may hold: 10**6, 4 * 1024.
        return eval(compile(ast.Expression(node), module, "eval"), {"__builtins__": {}})
    if kind.name in ("other", "mapping"):
        return None
    raise TypeError(f"{module}: the default {ast.unparse(node)} is no literal.")


# Types.


def _kind(module: str, node: ast.expr) -> Kind:
    options = [option for option in _union(node) if not (isinstance(option, ast.Constant) and option.value is None)]
    found = [_single_kind(module, option) for option in options]
    # A Python object that the function takes as well, such as an open engine, is left out.
    kinds = [kind for kind in found if kind.name != "other"] or found
    if any(kind.many for kind in kinds):
        return next(kind for kind in kinds if kind.many)
    names = {kind.name for kind in kinds}
    if len(kinds) == 1 or len(set(kinds)) == 1:
        return kinds[0]
    # A path may be given as text, a number as well as a word such as "auto".
    for name in ("path", "text", "float"):
        if name in names and names <= {"path", "text", "int", "float", "choice"}:
            return Kind(name)
    return Kind("other")


def _single_kind(module: str, node: ast.expr) -> Kind:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _kind(module, ast.parse(node.value, mode="eval").body)
    name = ast.unparse(node.value if isinstance(node, ast.Subscript) else node)
    short = name.rsplit(".", 1)[-1]
    if isinstance(node, ast.Subscript):
        items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if short == "Literal":
            return Kind("choice", choices=tuple(ast.literal_eval(item) for item in items))
        if short in _MAPPINGS:
            value = _kind(module, items[1])
            return Kind("mapping", item=value.name if value.name in ("int", "float") else "text")
        if short not in _MANY:
            return Kind("other")
        of = _kind(module, items[0])
        if short == "tuple" and of.name in ("int", "float"):
            endless = isinstance(items[-1], ast.Constant) and items[-1].value is Ellipsis
            return Kind("numbers", item=of.name, length=None if endless else len(items))
        return Kind(of.name, many=True, choices=of.choices) if of.name != "other" else of
    if name in _TEXTS:
        return Kind("text" if name == "str" else "path")
    if name in ("int", "float", "bool"):
        return Kind(name)
    if short in _MAPPINGS:
        return Kind("mapping")
    found = _assigned(module, name)
    return Kind("other") if found is None else _kind(*found)


def _union(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        yield from _union(node.left)
        yield from _union(node.right)
    else:
        yield node


# Source files and names in them.


@lru_cache(maxsize=64)
def _tree(module: str) -> ast.Module:
    root = importlib.util.find_spec(module.split(".")[0])
    if root is None or not root.submodule_search_locations:
        raise LookupError(f"There is no package {module.split('.')[0]}.")
    path = Path(root.submodule_search_locations[0]).joinpath(*module.split(".")[1:])
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if not path.is_file():
        raise LookupError(f"There is no module {module}.")
    return ast.parse(path.read_text(encoding="utf-8"))


def _definition(module: str, name: str, kind: type[_Node]) -> _Node:
    for node in _tree(module).body:
        if isinstance(node, kind) and node.name == name:
            return node
    raise LookupError(f"{module} has no {name}.")


def _assigned(module: str, name: str) -> tuple[str, ast.expr] | None:
    # The expression that a name stands for, and the module that it is written in: an alias of a type, a constant.
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Assign) and any(isinstance(to, ast.Name) and to.id == name for to in node.targets):
            return module, node.value
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name:
            return None if node.value is None else (module, node.value)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("overland"):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return _assigned(str(node.module), alias.name)
    return None


# Docstrings.


def _docstring(text: str | None) -> tuple[str, str, dict[str, str]]:
    """Divide a docstring in Google's style into summary, body and the texts of its parameters."""
    paragraphs: list[list[str]] = [[]]
    texts: dict[str, str] = {}
    section = ""
    entry = ""
    for line in inspect.cleandoc(text or "").splitlines():
        heading = re.fullmatch(r"(\w[\w ]*):", line)
        if heading and heading[1] in _SECTIONS:
            section, entry = heading[1], ""
        elif section and line and not line.startswith(" "):
            section = ""
            paragraphs.append([line])
        elif not section:
            paragraphs[-1].append(line) if line.strip() else paragraphs.append([])
        elif section in ("Args", "Arguments", "Attributes"):
            found = re.match(r"    (\*{0,2}\w+)(?: \([^)]*\))?: *(.*)", line)
            if found:
                entry = found[1].lstrip("*")
                texts[entry] = found[2]
            elif entry and line.strip():
                texts[entry] = f"{texts[entry]} {line.strip()}"
    written = ["\n".join(lines) for lines in paragraphs if lines]
    return written[0] if written else "", "\n\n".join(written[1:]), texts
