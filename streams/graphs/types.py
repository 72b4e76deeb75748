"""Types: what leaves a stage, where its function, its source or its values say so."""

import inspect
import re
from collections.abc import Sequence
from itertools import islice
from typing import Any

from ackflow.streams.core import Source
from ackflow.streams.graphs.labels import line, short

MAPS = ("map", "map_async", "map_in")
"""Operators out of which comes what their function returns."""
SPLITS = ("flat_map", "switch_map")
"""Operators out of which comes what is in what their function returns."""
UNKNOWN = ("", "Any", "object")
WIDEST = 28
"""Columns of a type that are shown."""
LOOKED_AT = 100
"""Values of a source that are asked for their type."""


def made(part: Any) -> str:
    """Say which type the values have that a stage makes, where that is known."""
    try:
        found = _given(part) if isinstance(part, Source) else _made(part)
    except Exception:  # whose annotations can't be had
        return ""
    return "" if found in UNKNOWN or found.startswith("~") else short(line(found), WIDEST)


def _given(source: Any) -> str:
    """Return the name of what a source hands out: by itself, by its lists, or by its values."""
    if source.gives is not None:
        return str(source.gives.__name__)
    values = getattr(source, "values", None)
    if isinstance(values, Sequence):
        types = {type(value).__name__ for value in islice(values, LOOKED_AT)}
        return types.pop() if len(types) == 1 else ""
    lists = getattr(source, "lists", None)
    return "" if lists is None else _inside(_inside(_returned(lists)))


def _made(part: Any) -> str:
    name = getattr(part, "name", "")
    if name in SPLITS:
        return _inside(_returned(part.settings.get("f")))
    return _returned(part.settings.get("f")) if name in MAPS else ""


def _inside(name: str) -> str:
    """Return what the elements of an iterable are, by the name of its type."""
    if name in ("str", "bytes"):
        return {"str": "str", "bytes": "int"}[name]
    if not (found := re.fullmatch(r"(\w+)\[(.+)\]", name)):
        return ""
    kind, inner = found[1].lower(), found[2]
    if kind.endswith("generator"):
        return _first(inner)
    if kind == "tuple":
        return inner.removesuffix(", ...") if inner.endswith(", ...") else ""
    return "" if "dict" in kind or "mapping" in kind else inner


def _first(arguments: str) -> str:
    """Return the first of several types."""
    depth = 0
    for place, sign in enumerate(arguments):
        depth += (sign == "[") - (sign == "]")
        if sign == "," and not depth:
            return arguments[:place]
    return arguments


def _returned(function: Any) -> str:
    """Return the name of what a function returns; a class returns what it is."""
    if inspect.isclass(function):
        return function.__name__
    found = inspect.signature(function).return_annotation
    if found is inspect.Signature.empty:
        return ""
    text = found if isinstance(found, str) else inspect.formatannotation(found)
    name = re.sub(r"(?:\w+\.)+(?=\w)", "", text)
    owner = getattr(function, "__self__", None)
    return owner.__name__ if name == "Self" and inspect.isclass(owner) else name
