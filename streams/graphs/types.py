"""Types: what leaves a stage, where the function that makes it says so."""

import inspect
import re
from typing import Any

from ackflow.streams.graphs.labels import line, short

MAPS = ("map", "map_async", "map_in")
"""Operators out of which comes what their function returns."""
UNKNOWN = ("", "Any", "object")
WIDEST = 28
"""Columns of a type that are shown."""


def made(part: Any) -> str:
    """Say which type the values have that a stage makes, where that is known."""
    if getattr(part, "name", "") not in MAPS:
        return ""
    try:
        found = _returned(part.settings.get("f"))
    except Exception:  # whose annotations can't be had
        return ""
    return "" if found in UNKNOWN or found.startswith("~") else short(line(found), WIDEST)


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
