"""Flow: the graph of a run, where each stage shows what it has done and nothing that it was told."""

from collections.abc import Callable, Sequence
from typing import Any

from ackflow.streams.core import Pipeline, Roster
from ackflow.streams.graphs.building import Words, build
from ackflow.streams.graphs.graph import Detail, Figure, Graph, Node
from ackflow.streams.graphs.labels import line
from ackflow.streams.graphs.links import Link
from ackflow.streams.graphs.panel import HEADS, Line, figures


class Flow:
    """Draws a pipeline with the figures of a run of it."""

    def __init__(self, pipeline: Pipeline[Any], named: Callable[[str], str]) -> None:
        """`named`: what to call a stage where others look, such as `map(int)`."""
        self._pipeline = pipeline
        self._named = named
        streams = Roster(pipeline.stream).streams
        self._order = [*map(id, streams), id(pipeline.sink)]
        """What a run's stages are of, in the order of `handle.stages`."""

    def graph(self, lines: Sequence[Line]) -> Graph:
        """Return the graph of a run in which the stages have done this; nothing where not measured."""
        counted = dict(zip(self._order, lines, strict=True)) if lines else {}

        def node(link: Link) -> Node:
            own = counted.get(id(link.part if link.stream is None else link.stream))
            said = self._named(repr(link.part)) if own is None else own.stage.name
            name, _, function = line(said).partition("(")
            details = (Detail("f", function.removesuffix(")"), True),) if function else ()
            return Node(link.kind, name, details, figures=_figures(own))

        return build(self._pipeline, Words(node, _numbered))


def _figures(counted: Line | None) -> tuple[Figure, ...]:
    """Return what a stage has done: as many figures at all times, so that nothing moves."""
    if counted is None:
        return ()
    left_out = "in" if counted.stage.kind == "source" else "oldest"
    nothing = {"in flight": "–", "oldest": "0.0 s"}
    return tuple(
        Figure(head, text or nothing.get(head, "0"), head == "errors" and bool(text))
        for head, text in zip(HEADS, figures(counted), strict=True)
        if head != left_out
    )


def _numbered(place: int, label: str) -> str:
    """Name a branch by its number, as metrics do: what it is for is a setting."""
    return str(place) if label else ""
