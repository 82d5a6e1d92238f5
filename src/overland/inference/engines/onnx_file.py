"""The operators of an ONNX file, read without the package onnx, which the base install has not.

Only the few fields of the protocol buffer are read that lead to nodes; weights are skipped. Field numbers are those of
onnx.proto3 (https://github.com/onnx/onnx).
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

__all__ = ["operators_of"]

_MODEL_GRAPH, _MODEL_FUNCTIONS = 7, 25
_GRAPH_NODE, _FUNCTION_NODE = 1, 7
_NODE_TYPE, _NODE_ATTRIBUTE, _NODE_DOMAIN = 4, 5, 7
_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS = 6, 11
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_DEEPEST = 32


def operators_of(path: Path) -> set[tuple[str, str]]:
    """List the operators of a graph, of its subgraphs and of its functions.

    Args:
        path: The ONNX file.

    Returns:
        Domain and type of each operator; the standard domain is the empty text.

    Raises:
        ValueError: It is no ONNX file.
        OSError: It cannot be read.
    """
    found: set[tuple[str, str]] = set()
    if not path.stat().st_size:
        raise ValueError("the file is empty")
    with path.open("rb") as file:
        # It is closed with the last view of it: an error of a damaged file still holds some.
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    for number, part in _messages(memoryview(content)):
        if number == _MODEL_GRAPH:
            _add_nodes(part, _GRAPH_NODE, found, 0)
        elif number == _MODEL_FUNCTIONS:
            _add_nodes(part, _FUNCTION_NODE, found, 0)
    if not found:
        raise ValueError("it is no ONNX graph")
    return found


def _add_nodes(graph: memoryview, node_field: int, found: set[tuple[str, str]], depth: int) -> None:
    if depth > _DEEPEST:
        raise ValueError("its graphs are nested too deeply")
    for number, node in _messages(graph):
        if number == node_field:
            domain, operator = "", ""
            for field, value in _messages(node):
                if field == _NODE_TYPE:
                    operator = bytes(value).decode("utf-8", "replace")
                elif field == _NODE_DOMAIN:
                    domain = bytes(value).decode("utf-8", "replace")
                elif field == _NODE_ATTRIBUTE:
                    for inner, subgraph in _messages(value):
                        if inner in (_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS):
                            _add_nodes(subgraph, _GRAPH_NODE, found, depth + 1)
                        subgraph.release()
                value.release()
            found.add((domain, operator))
        node.release()


def _messages(content: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield number and content of each field that has a length, and skip the others."""
    place, end = 0, len(content)
    while place < end:
        key, place = _varint(content, place)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            _, place = _varint(content, place)
        elif kind in (_FIXED64, _FIXED32):
            place += 8 if kind == _FIXED64 else 4
        elif kind == _BYTES:
            length, place = _varint(content, place)
            if place + length > end:
                raise ValueError("it is cut short, or no ONNX file")
            yield number, content[place : place + length]
            place += length
        else:
            raise ValueError("it is no ONNX file")


def _varint(content: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if place >= len(content) or shift > 63:
            raise ValueError("it is cut short, or no ONNX file")
        byte = content[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if not byte & 0x80:
            return value, place
