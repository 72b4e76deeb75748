"""Sink: where values go, and how it is written to."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from ackflow.streams.core.errors import shown
from ackflow.streams.core.pictured import Pictured
from ackflow.streams.core.pipeline import Pipeline
from ackflow.streams.core.settings import check_count
from ackflow.streams.core.stage import Branches, Shape, call
from ackflow.streams.core.writer import Writer

if TYPE_CHECKING:
    from ackflow.streams.core.figure import Figure
    from ackflow.streams.core.session import Session
    from ackflow.streams.core.stream import Stream
    from ackflow.streams.core.summary import Summary

A_contra = TypeVar("A_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


class Sink(Pictured, Generic[A_contra, R_co]):
    """Where values go: accepts them, or says which ones it did not.

    Subclass it, or write a class of your own with `open`, `write` and `close`.

    Example:
        class Shout(Sink[str, Summary]):
            name = "shout"

            async def write(self, items):
                for item in items:
                    print(item.upper())

    Acks: an element is accepted when `write` returns None, or None in its place in a list.
    `concurrency` is the number of writes in flight, `max_items` the number of elements one write
    gets at most (a chunk is one element), `chunks` says that it takes chunks only, `idempotent` that
    writing an element twice does no harm, so that a failing write may be bisected.

    """

    name: ClassVar[str] = "sink"
    chunks: ClassVar[bool] = False
    max_items: int = 1
    concurrency: int = 1
    idempotent: bool = False

    async def open(self) -> None:
        """Get ready for one run. Raise Unavailable where what it writes to is away."""

    async def write(self, items: Sequence[A_contra]) -> Sequence[Exception | None] | None:
        """Write elements; return None, or one entry per element or per member of a chunk."""
        raise NotImplementedError(f"{type(self).__name__} has no write()")

    async def close(self) -> None:
        """Let go of what `open` got; nothing is written afterwards."""

    def result(self, summary: "Summary") -> R_co:
        """Return what the pipeline returns: the summary, unless the sink has something better."""
        return summary  # type: ignore[return-value]

    def figures(self) -> "Iterable[Figure]":
        """Return what it counts, for metrics and the status page: a Figure for each."""
        return ()

    @property
    def trace_attributes(self) -> Mapping[str, str | int]:
        """What spans of its writes say under OpenTelemetry's names, which name them as well."""
        return {}

    # -- what the engine uses ---------------------------------------------------------------------

    @property
    def holds(self) -> int:
        """How many elements it works on at once."""
        return self.concurrency * self.max_items if self.chunks else self.concurrency

    def shape(self, before: Shape) -> Shape:
        """Return the shape of what it takes: as it comes."""
        return before

    def writer(self, session: "Session", places: int) -> Any:
        """Return what writes to it in one run; the run has a copy of its own."""
        return Writer(copy.copy(self), session, places)

    def __call__(self, stream: "Stream[A_contra]") -> Pipeline[R_co]:
        if not hasattr(stream, "attach"):
            raise TypeError(
                f"{self!r}: must be given an ackflow stream, got {shown(stream)}; "
                "use op.lift(operator, …) for aiostream's operators, "
                "streams.from_iterable(…) for values that need no acks"
            )
        check_sink(self)
        return Pipeline(stream, self)

    # Under names that hardly anybody's own sink has for something else, such as a password.

    @property
    def shown_settings(self) -> Mapping[str, Any]:
        """What it was told, for people to read: no secrets."""
        return {}

    @property
    def shown_branches(self) -> Branches:
        """The sinks that its elements part into, for people to see."""
        return ()

    def __repr__(self) -> str:
        return call(self.name, self.shown_settings)


class Writable(Protocol[A_contra]):
    """A user's own sink: what `stream | sink` takes without a base class."""

    async def write(self, items: Sequence[A_contra], /) -> Sequence[Exception | None] | None:
        """Write elements; return None, or one entry per element or per member of a chunk."""
        ...


class Adapted(Sink[Any, Any]):
    """A user's object with `write`, as a sink."""

    name = "sink"

    def __init__(self, sink: Any) -> None:
        self.sink = sink
        self.concurrency = getattr(sink, "concurrency", 1)
        self.idempotent = getattr(sink, "idempotent", False)
        self.max_items = getattr(sink, "max_items", 1)
        if hasattr(sink, "write_messages"):
            self.write_messages = sink.write_messages

    async def open(self) -> None:
        if hasattr(self.sink, "open"):
            await self.sink.open()

    def write(self, items: Sequence[Any]) -> Any:
        return self.sink.write(items)

    async def close(self) -> None:
        if hasattr(self.sink, "close"):
            await self.sink.close()

    def result(self, summary: "Summary") -> Any:
        return self.sink.result() if hasattr(self.sink, "result") else summary

    def figures(self) -> "Iterable[Figure]":
        figures: Iterable[Figure] = self.sink.figures() if hasattr(self.sink, "figures") else ()
        return figures

    @property
    def trace_attributes(self) -> Mapping[str, str | int]:
        attributes: Mapping[str, str | int] = getattr(self.sink, "trace_attributes", {})
        return attributes

    def __repr__(self) -> str:
        return f"{type(self.sink).__name__}()"


def as_sink(candidate: Any) -> "Sink[Any, Any]":
    """Return a sink, or a user's object with `write` as one; raise TypeError for anything else."""
    sink: Sink[Any, Any] | None = candidate
    if not isinstance(candidate, Sink):
        written = hasattr(candidate, "write") or hasattr(candidate, "write_messages")
        sink = Adapted(candidate) if written else None
    if sink is not None:
        check_sink(sink)
        return sink
    raise TypeError(
        f"a sink must have an async write(items), got {shown(candidate)}; "
        "sinks.each(function) makes one of a function"
    )


def check_sink(sink: "Sink[Any, Any]") -> None:
    """Raise ValueError where a sink's numbers can't be meant."""
    for name in ("concurrency", "max_items"):
        check_count(f"{sink.name}.{name}", getattr(sink, name), 1, "leave it out for 1")
