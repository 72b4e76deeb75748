"""Links: what a stream, operator, sink or pipeline is made of, one stage after another.

Nothing here is drawn or counted, and only what is asked for is looked at: there may be thousands.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ackflow.streams.core import (
    Branches,
    Composable,
    Ending,
    Pipeline,
    Shape,
    Sink,
    Source,
    Stream,
    as_sink,
)
from ackflow.streams.graphs.graph import Kind


@dataclass(frozen=True, slots=True)
class Link:
    """One stage or sink in its place."""

    kind: Kind
    part: Any
    inputs: tuple[Any, ...] = ()
    """What flows into it, where that is more than the link before."""
    shapes: tuple[Shape, Shape] | None = None
    """Of the elements that come, and of those that leave, where that is known."""
    stream: Stream[Any] | None = None
    """What it is the last stage of, where it has met a stream."""

    @property
    def branches(self) -> Branches:
        """What its elements part into."""
        found: Branches = getattr(
            self.part, "shown_branches" if self.kind == "sink" else "branches", ()
        )
        return found


OPEN = Link("open", None)


def whole(part: Any) -> list[Link]:
    """Return the links of what somebody wants to see, with its open ends."""
    if isinstance(part, Stream):
        return [*links(part), OPEN]
    if isinstance(part, Composable):
        return _composed([OPEN, *part.stages, OPEN])
    if isinstance(part, Ending):
        return _composed([OPEN, *_parts(part)])
    return links(part) if isinstance(part, Pipeline) else [OPEN, *links(part)]


def links(part: Any, shape: Shape | None = None) -> list[Link]:
    """Return the links of a stream, operator, sink or pipeline, the first first.

    `shape`: of the elements that an operator or a sink gets, where that is known.
    """
    if isinstance(part, list):
        return part
    if isinstance(part, Stream):
        return _flowing(part)
    if isinstance(part, Pipeline):
        found = _flowing(part.stream)
        return [*found, *_composed([part.sink], found[-1].shapes and found[-1].shapes[1])]
    return _composed(list(_parts(part)), shape)


def _parts(part: Any) -> Iterator[Any]:
    """Yield the stages of an operator, and the sink it ends in, or a sink alone."""
    while isinstance(part, Ending):
        yield from part.operator.stages
        part = part.end
    if isinstance(part, Composable):
        yield from part.stages
    else:
        yield as_sink(part) if hasattr(part, "write") else part


def _composed(parts: Sequence[Any], shape: Shape | None = None) -> list[Link]:
    """Return the links of stages that no stream has met."""
    found: list[Link] = []
    for part in parts:
        others = getattr(part, "others", ())
        if part is OPEN:
            found.append(OPEN)
            continue
        before = shape
        shape = None if shape is None or not hasattr(part, "shape") else part.shape(shape)
        shapes = None if before is None or shape is None else (before, shape)
        inputs = (*([found] if found else []), *others) if others else ()
        if others:
            found = []
        found.append(Link(_kind(part), part, inputs, shapes))
    return found


def _kind(part: Any) -> Kind:
    sink = isinstance(part, Sink) or not hasattr(part, "runs")
    return "sink" if sink else "source" if isinstance(part, Source) else "operator"


def _flowing(stream: Stream[Any]) -> list[Link]:
    """Return the links of a stream back to its source, or to where several flow together."""
    line = [stream]
    while line[-1].inputs:
        line.append(line[-1].inputs[0])
    found: list[Link] = []
    shape: Shape = ()
    for each in reversed(line):
        before, shape = shape, each.stage.shape(shape)
        if len(each.inputs) > 1:
            found = []
        inputs = each.inputs if len(each.inputs) > 1 else ()
        found.append(Link(_kind(each.stage), each.stage, inputs, (before, shape), each))
    return found


COUNTED = 10_000
"""Stages that are counted at most."""


def count(parts: Sequence[Any], most: int = COUNTED) -> int:
    """Count the stages in links, streams, operators and sinks, those inside others included."""
    waiting = list(parts)
    counted = 0
    while waiting and counted < most:
        part = waiting.pop()
        if isinstance(part, Link):
            counted += part.kind != "open"
            waiting += part.inputs
            waiting += [branch for _, branch in part.branches]
        else:
            waiting += links(part)
    return counted
