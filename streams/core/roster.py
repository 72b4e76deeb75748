"""Roster: the parts of a pipeline in the order in which values flow, each under a name of its own."""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ackflow.streams.core.stream import Stream


class Roster:
    """The streams of a pipeline and its sink, and what they are called in a run.

    A part is called what it shows as; of several that show the same, the second one has a 2 behind it.
    """

    def __init__(self, stream: "Stream[Any]", *sink: Any) -> None:
        """`sink`: what the stream ends in, if anything."""
        self.streams = flow(stream)
        parts = [*(each.stage for each in self.streams), *sink]
        self.names = numbered(map(repr, parts))
        """Those of the streams' last stages, then the sink's."""
        self._of = dict(zip(map(id, self.streams), self.names, strict=False))

    def name(self, stream: "Stream[Any]") -> str:
        """Return what a stream's last stage is called; inside of another stage, what it shows as."""
        return self._of.get(id(stream)) or repr(stream.stage)


def flow(stream: "Stream[Any]") -> "list[Stream[Any]]":
    """Return a stream and all that flow into it, what flows into a stage before it, each once."""
    found: dict[int, Stream[Any]] = {}
    todo = [stream]
    while todo:
        before = [each for each in todo[-1].inputs if id(each) not in found]
        if before:
            todo += reversed(before)
        else:
            found.setdefault(id(todo[-1]), todo.pop())
    return list(found.values())


def numbered(names: Iterable[str]) -> list[str]:
    """Tell names apart that were there before.

    Example:
        >>> numbered(["map(f=int)", "chunk(size=2)", "map(f=int)"])
        ['map(f=int)', 'chunk(size=2)', 'map(f=int) (2)']

    """
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found
