"""Building: from links to a graph of bounded size."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ackflow.streams.core import (
    Adapted,
    Branches,
    Composable,
    Ending,
    Pipeline,
    Shape,
    Stream,
    shown,
)
from ackflow.streams.graphs.graph import Branch, Chain, Fork, Graph, Node
from ackflow.streams.graphs.labels import carries, details, line
from ackflow.streams.graphs.links import COUNTED, Link, count, links, whole
from ackflow.streams.graphs.types import made

MOST = 40
"""Stages that are all drawn."""
SOME = 24
"""Stages that are drawn of more, about."""
UNBOUNDED = 1 << 30
BESIDE = 12
"""Branches beside each other that are drawn where not all stages are."""


def told(link: Link) -> Node:
    """Say what a stage is, with what it was told."""
    carried = carries(link.shapes) or made(link.part)
    return Node(link.kind, line(_name(link)), details(link), carried)


def labelled(place: int, label: str) -> str:
    """Say what a branch is for."""
    return line(label)


@dataclass(frozen=True, slots=True)
class Words:
    """How stages, and the branches beside each other, are put into words."""

    node: Callable[[Link], Node] = told
    label: Callable[[int, str], str] = labelled


def build(part: Any, words: Words | None = None) -> Graph:
    """Make the graph of a stream, operator, sink or pipeline."""
    writable = hasattr(part, "write") or hasattr(part, "write_messages")
    if not (isinstance(part, Stream | Composable | Ending | Pipeline) or writable):
        raise TypeError(
            "streams.graph(part): must be a stream, operator, sink or pipeline, "
            f"got {shown(part)}; op.map(function) makes an operator of a function"
        )
    found = whole(part)
    room = SOME if count(found, MOST + 1) > MOST else UNBOUNDED
    return Graph(_chain(found, room, words or Words()))


def _chain(found: list[Link], room: int, words: Words) -> Chain:
    """Draw links, at most so many; those in the middle are left out."""
    front, hidden, back = _cut(found, max(room, 1))
    kept = [*front, *back]
    forks = sum(bool(link.inputs) + bool(link.branches) for link in kept)
    share = room if room == UNBOUNDED else max(1, (room - len(kept)) // max(1, forks))
    more = [_more(hidden)] if hidden else []
    parts = [*(part for link in front for part in _link(link, share, words)), *more]
    return (*parts, *(part for link in back for part in _link(link, share, words)))


def _cut(found: list[Link], room: int) -> tuple[list[Link], list[Link], list[Link]]:
    """Part links into those to show, to hide and to show, so that there is room for a word of these."""
    if len(found) <= room:
        return found, [], []
    front = room // 2
    end = len(found) - max(0, room - front - 1)
    return found[:front], found[front:end], found[end:]


def _more(hidden: Sequence[Any]) -> Node:
    number = count(hidden)
    return Node("more", f"… {number:,} more" if number < COUNTED else f"… over {COUNTED:,} more")


def _link(link: Link, share: int, words: Words) -> Chain:
    """Draw one link, with what flows into it before, and what its elements part into behind."""
    if link.kind == "open":
        return (Node("open", ""),)
    node = words.node(link)
    inputs = [("", each) for each in link.inputs]
    flowing = [Fork("in", _branches(inputs, share, None, words))] if inputs else []
    if not link.branches:
        return (*flowing, node)
    shape = None if link.shapes is None else link.shapes[0]
    end = [Node("join", "")] if link.kind == "operator" else []
    return (*flowing, node, Fork("out", _branches(link.branches, share, shape, words)), *end)


def _name(link: Link) -> object:
    if isinstance(link.part, Adapted):
        return type(link.part.sink).__name__
    return getattr(link.part, "name", type(link.part).__name__)


def _branches(found: Branches, room: int, shape: Shape | None, words: Words) -> tuple[Branch, ...]:
    """Draw branches, at most so many; the last ones are left out."""
    most = room if room == UNBOUNDED else min(room, BESIDE)
    kept = list(found) if len(found) <= most else list(found[: max(most - 1, 0)])
    share = room if room == UNBOUNDED else room // max(1, len(kept))
    drawn = [
        Branch(words.label(place, label), _chain(links(branch, shape), share, words))
        for place, (label, branch) in enumerate(kept)
    ]
    hidden = [branch for _, branch in found[len(kept) :]]
    return (*drawn, *([Branch("", (_more(hidden),))] if hidden else []))
