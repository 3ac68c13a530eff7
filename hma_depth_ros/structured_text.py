"""YAML and JSON that somebody else may have written, and JSON that anybody can read.

For the first the parsers alone are no match: both fall over at deep nesting, and PyYAML at a date
that does not exist; its aliases let ten lines stand for as many values as there are atoms, for
whoever looks at them one by one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import yaml

from hma_depth_ros.errors import one_line

#: Values that aliases (`*name`) may stand for beside what is written out.
_MOST_REPEATED = 10_000
_TOO_DEEP = "it is nested too deeply"


#: Brackets within brackets. For each one PyYAML looks at all that are open: 5 kB took ten seconds.
_DEEPEST = 100


class MalformedTextError(ValueError):
    """A text that is not YAML or JSON, or harmful; the message is of one line."""


class _Loader(yaml.SafeLoader):
    """PyYAML's, with an end to its depth."""

    def fetch_flow_collection_start(self, TokenClass: type[yaml.Token]) -> None:
        if self.flow_level >= _DEEPEST:
            raise MalformedTextError(_TOO_DEEP)
        super().fetch_flow_collection_start(TokenClass)


def parse_json(text: str) -> Any:
    """Value of a JSON text.

    Raises:
        MalformedTextError: it is none.

    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedTextError(_reason(error)) from error


def json_text(content: Any, *, indent: int | None = None) -> str:
    """JSON of a value: what is no number, such as NaN, which JSON does not have, becomes null."""
    return json.dumps(_without_nan(content), indent=indent, allow_nan=False)


def _without_nan(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {name: _without_nan(value) for name, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_without_nan(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def parse_yaml(text: str) -> Any:
    """Value of a YAML document of plain values: no tag of it makes an object of any other kind.

    Raises:
        MalformedTextError: it is none, or its aliases stand for too much.

    """
    loader = None
    try:
        loader = _Loader(text)
        document = loader.get_single_node()
        if document is None:
            return None
        written = dict[int, int]()
        if _size(document, written, set()) > len(written) + _MOST_REPEATED:
            raise MalformedTextError("its aliases stand for too many values")
        return loader.construct_document(document)
    except MalformedTextError:
        raise
    except Exception as error:  # constructors stumble over dates and tagged values in many ways
        raise MalformedTextError(_reason(error)) from error
    finally:
        if loader is not None:
            loader.dispose()


def _size(node: yaml.Node, known: dict[int, int], around: set[int]) -> int:
    """Values in a node with all aliases written out.

    Args:
        node: of the document.
        known: those of the nodes seen so far by id; one entry for each that is written.
        around: ids of the nodes that it is in.

    Raises:
        MalformedTextError: it is in itself.

    """
    if id(node) in around:
        raise MalformedTextError("a value is a part of itself")
    if id(node) not in known:
        inside = around | {id(node)}
        parts: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            parts = [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            parts = node.value
        known[id(node)] = 1 + sum(_size(part, known, inside) for part in parts)
    return known[id(node)]


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return _TOO_DEEP
    return one_line(error)
