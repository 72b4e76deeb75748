"""Labels: settings and functions in one printable line each, whatever they are."""

import inspect
import reprlib
import unicodedata
from functools import partial
from typing import Any

from ackflow.streams.core import Composable, Ending, Shape, Sink, Stream, printable, shown
from ackflow.streams.graphs.graph import Detail
from ackflow.streams.graphs.links import Link

LONGEST = 100
"""Characters of a label."""


class _Short(reprlib.Repr):
    """Says a value in short, without looking at all of one that is large; functions by their name."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = LONGEST

    def repr1(self, x: Any, level: int) -> str:
        if inspect.isroutine(x) or inspect.isclass(x):
            return str(getattr(x, "__name__", type(x).__name__))
        if isinstance(x, partial):
            return f"partial({self.repr1(x.func, level)})"
        return super().repr1(x, level)


_short = _Short()


def text(value: object) -> str:
    """Say a value in one printable line, whatever its `__repr__` does."""
    try:
        return line(_short.repr(value))
    except Exception:
        return shown(value, LONGEST)


def line(name: object) -> str:
    """Say a name in one printable line."""
    return printable(name, LONGEST) if isinstance(name, str) else shown(name, LONGEST)


def details(link: Link) -> tuple[Detail, ...]:
    """Return what a stage or sink was told, without what has a place of its own in the graph."""
    try:
        found = dict(
            getattr(link.part, "shown_settings" if link.kind == "sink" else "settings", {})
        )
    except Exception as error:
        return (Detail("", f"settings raise {type(error).__name__}"),)
    drawn = bool(link.inputs or link.branches)
    return tuple(
        Detail(_key(key), text(value), _is_function(key, value))
        for key, value in found.items()
        if not (drawn and _is_drawn(value))
    )


def _key(key: object) -> str:
    return "" if str(key).startswith("_") else line(key)


def _is_drawn(value: object) -> bool:
    first = value[0] if isinstance(value, list | tuple) and value else value
    return isinstance(first, Stream | Composable | Ending | Sink)


def _is_function(key: object, value: object) -> bool:
    return callable(value) and (key in ("f", "key") or not inspect.isclass(value))


def carries(shapes: tuple[Shape, Shape] | None) -> str:
    """Say what the elements that leave are, where that is not what came."""
    if shapes is None or shapes[0] == shapes[1]:
        return ""
    after = shapes[1]
    return f"up to {' × '.join(f'{size:,}' for size in reversed(after))}" if after else "single"


def short(line: str, width: int) -> str:
    """Cut a line to so many columns."""
    if cells(line) <= width:
        return line
    kept, used = "", 1
    for character in line:
        used += cells(character)
        if used > width:
            break
        kept += character
    return f"{kept}…"


def cells(line: str) -> int:
    """Return how many columns a line takes: two for characters as wide as those of Chinese."""
    return sum(_width(character) for character in line)


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
