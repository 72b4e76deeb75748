"""What sinks made of sinks have in common."""

from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any, TypeVar

from ackflow.streams.core import Branches, Figure, Sink, as_sink

A = TypeVar("A")


class Several(Sink[Any, Any]):
    """A sink made of others; it takes chunks where one of them does."""

    def __init__(self, name: str, sinks: Sequence[Sink[Any, Any]]) -> None:
        self.name = name  # type: ignore[misc]
        self.sinks = sinks
        self.chunks = any(sink.chunks for sink in sinks)  # type: ignore[misc]

    @property
    def holds(self) -> int:
        """A message is in all branches at once, so the largest counts, and a run on its way."""
        return 2 * max(sink.holds for sink in self.sinks)

    def figures(self) -> Iterator[Figure]:
        return figures_of(self.sinks)

    @property
    def shown_branches(self) -> Branches:
        return [("", sink) for sink in self.sinks]

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(map(repr, self.sinks))})"


def a_sink(call: str, candidate: object) -> Sink[Any, Any]:
    """Return a sink; raise TypeError, naming the call, for what is none."""
    try:
        return as_sink(candidate)
    except TypeError as error:
        raise TypeError(f"{call}: {error}") from None


def figures_of(parts: Sequence[Any]) -> Iterator[Figure]:
    """Yield what each of them counts, told apart by a label; a way with operators shows nothing.

    The label of a branch within a branch is 1.0: the first one of the second.
    """
    for number, part in enumerate(parts):
        for figure in part.figures() if isinstance(part, Sink) else ():
            samples = [
                ({**labels, "branch": f"{number}.{labels.get('branch', '')}".rstrip(".")}, value)
                for labels, value in figure.samples
            ]
            yield replace(figure, samples=samples)


async def close_all(parts: Sequence[Any]) -> None:
    """Close all of them, the last first, even where one raises."""
    async with AsyncExitStack() as stack:
        for part in parts:
            stack.push_async_callback(part.close)
