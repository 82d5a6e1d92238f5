"""Text files that people write: any common encoding, YAML without surprises, names without tricks."""

from __future__ import annotations

import codecs
import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from overland.errors import DataError, OverlandError, UsageError

__all__ = ["check_name", "closest_name", "decode_text", "load_yaml", "parse_yaml", "read_text"]

# The longer marks first: that of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_MOST_VALUES = 1_000_000
_OTHERWISE = "must hold settings as `name: value` lines"


def decode_text(data: bytes) -> str:
    """Decode the bytes of a text file that any system may have written.

    A byte-order mark decides (Notepad and PowerShell write one), and is taken off. Without one the text is UTF-8, else
    Windows-1252, which holds Latin-1.

    Args:
        data: The file's bytes.

    Returns:
        The text.

    Raises:
        UnicodeError: The bytes are no text in any of these encodings.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding)
    if b"\0" in data:
        # Every second byte of English text in UTF-16 is zero; nothing else that is text holds one.
        return data.decode("utf-16-be" if data[:1] == b"\0" else "utf-16-le")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252")


def read_text(path: str | Path, *, refusal: type[OverlandError] = DataError) -> str:
    """Read a text file in any of the encodings of `decode_text`.

    Args:
        path: The file.
        refusal: The error to raise when it cannot be read.

    Returns:
        The text, with lines that end in a newline alone.

    Raises:
        OverlandError: The file is not there, may not be read, or holds no text.
    """
    try:
        text = decode_text(Path(path).read_bytes())
    except (OSError, UnicodeError) as error:
        raise refusal(f"{path} cannot be read ({error}).") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


class _Loader(yaml.SafeLoader):
    """Plain YAML 1.2 values, and no key twice.

    PyYAML follows YAML 1.1, in which no and on are false and true, 12:30 is 750, 010 is 8 and 1e-3 is text, and it
    keeps the last of two equal keys without a word.
    """

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - as PyYAML declares it

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping, and refuse a key that stands twice in it."""
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                name = str(self.construct_object(key))
                if name in seen:
                    raise yaml.constructor.ConstructorError(None, None, f"the key {name} stands twice", key.start_mark)
                seen.add(name)
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """Read a whole number; a leading zero does not make it octal."""
        text = self.construct_scalar(node)
        return int(text, 0) if text[:2] in ("0x", "0o") else int(text)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
for _kind, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(f"^(?:{_pattern})$"), list(_first))


def load_yaml(
    path: str | Path, *, refusal: type[OverlandError] = UsageError, otherwise: str = _OTHERWISE
) -> dict[str, Any]:
    """Read a YAML file that holds a mapping.

    Args:
        path: The file.
        refusal: The error to raise when it cannot be read.
        otherwise: The message's end where it holds no mapping.

    Returns:
        The mapping.

    Raises:
        OverlandError: The file does not exist, or is refused by `parse_yaml`.
    """
    return parse_yaml(read_text(path, refusal=refusal), str(path), refusal=refusal, otherwise=otherwise)


def parse_yaml(
    text: str, where: str, *, refusal: type[OverlandError] = UsageError, otherwise: str = _OTHERWISE
) -> dict[str, Any]:
    """Read YAML text that holds a mapping, by the rules of YAML 1.2: yes, no, on and off are words.

    Args:
        text: The YAML.
        where: Its origin, named in an error.
        refusal: The error to raise.
        otherwise: The message's end where the text holds no mapping.

    Returns:
        The mapping.

    Raises:
        OverlandError: The text is not valid YAML, has a key twice, holds something else than a mapping, or unfolds to
            more than a million values.
    """
    try:
        values = yaml.load(text, _Loader)
        # Aliases make a few lines unfold to billions of values, which the first message that shows them would print.
        count, waiting = 0, [values]
        while waiting and count <= _MOST_VALUES:
            value = waiting.pop()
            count += 1
            if isinstance(value, dict):
                waiting += [*value.keys(), *value.values()]
            elif isinstance(value, list):
                waiting += value
        is_small = count <= _MOST_VALUES
    except RecursionError:
        raise refusal(f"{where} is not valid YAML (it is nested too deeply).") from None
    except (yaml.YAMLError, ValueError) as error:
        raise refusal(f"{where} is not valid YAML ({' '.join(str(error).split())}).") from error
    if not is_small:
        raise refusal(f"{where} unfolds to more than {_MOST_VALUES} values; a file of settings holds a few.")
    if not isinstance(values, dict):
        raise refusal(f"{where} {otherwise}.")
    return values


def closest_name(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean X?" for the closest known name, or nothing.

    Args:
        name: The name that is not known.
        known: The names that are.

    Returns:
        The end of a message.
    """
    matches = difflib.get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {matches[0]}?" if matches else ""


def check_name(name: object, where: str) -> str:
    """Return the name of a class as text, or refuse it.

    Args:
        name: The name as a file gives it.
        where: The file, named in an error.

    Returns:
        The name without spaces at its ends.

    Raises:
        DataError: It is empty (or YAML's null), a table or a list, or holds control characters, which would steer the
            terminal that shows it.
    """
    if name is None or isinstance(name, Mapping | list | tuple) or not str(name).strip():
        raise DataError(f"{where} has the class name {name!r}; a name is text, such as road. Put null or ~ in quotes.")
    text = str(name).strip()
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text):
        raise DataError(f"{where} has the class name {text!r}, which holds control characters; write it without.")
    return text
