"""Stream: where values come from, as a value that can be composed, looked at and reused."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any, Generic, NoReturn, TypeVar, overload

from ackflow.streams.core.errors import shown
from ackflow.streams.core.fused import Fused
from ackflow.streams.core.looking import Looking
from ackflow.streams.core.merging import Concat
from ackflow.streams.core.message import Message
from ackflow.streams.core.meter import Meter, Metered
from ackflow.streams.core.pictured import Pictured
from ackflow.streams.core.pipeline import Pipeline
from ackflow.streams.core.run import Run
from ackflow.streams.core.session import Session
from ackflow.streams.core.settings import check_count
from ackflow.streams.core.sink import Writable, as_sink
from ackflow.streams.core.slicing import Slice
from ackflow.streams.core.stage import (
    Context,
    Shape,
    Source,
    Stage,
    Step,
    bounded_demand,
    check_patience,
    check_strictness,
    demand,
)

A_co = TypeVar("A_co", covariant=True)
X = TypeVar("X")

LEAST_PREFETCH = 64
"""Messages that a source has on their way at least when prefetch is derived: broker round trips."""
MOST_PREFETCH = 65_535
"""AMQP 0-9-1 carries prefetch-count in 16 bits (basic.qos, section 1.8.3.1)."""
MOST_STAGES = 100
"""Stages in a row that wait: less than half of what Python's own limit of recursion lets run."""


class Stream(Pictured, Generic[A_co]):
    """Where values come from: a source and the operators applied to it so far.

    A stream is a description. Nothing happens before it is iterated, or composed with a sink and run.

    Example:
        await (streams.of(1, 2, 3) | op.map(str) | sinks.to_list())   # ['1', '2', '3']

    Acks: iterating without a sink is looking; what was looked at is given back (contract 7).

    """

    def __init__(self, stage: Stage, *inputs: "Stream[Any]") -> None:
        self.stage = stage
        self.inputs = inputs
        stage.check(inputs)
        deepest = max((stream._depth for stream in inputs), default=0)
        self._depth: int = deepest if isinstance(stage, Step) else deepest + 1
        """Stages that wait, one after the other: each is a few calls within the one behind it."""
        if self._depth > MOST_STAGES:
            raise ValueError(
                f"stream | {stage.name}: at most {MOST_STAGES} stages that wait, such as chunk or "
                "map_async, may follow each other, for each is called from within the next; do the "
                "work of several in one function (those that don't wait, such as map, don't count)"
            )
        self.shape: Shape = stage.shape(inputs[0].shape if inputs else ())
        """How many elements one element holds, after the chunks it went through."""
        self.places: int = stage.places(min((stream.places for stream in inputs), default=0))
        """How many chunks within chunks elements are whose entries are still their members."""
        self._check()

    # -- composing --------------------------------------------------------------------------------

    @overload
    def __or__(self, step: "Callable[[Stream[A_co]], X]") -> X: ...
    @overload
    def __or__(self, step: Writable[A_co]) -> Pipeline[Any]: ...
    def __or__(self, step: Any) -> Any:
        """Apply an operator, or end in a sink."""
        if callable(step):
            return step(self)
        if hasattr(step, "write") or hasattr(step, "write_messages"):
            return as_sink(step)(self)
        raise TypeError(
            f"stream | step: must be an operator or a sink, got {shown(step)}; "
            "op.map(function) makes an operator of a function, sinks.each(function) a sink"
        )

    @property
    def size(self) -> int | None:
        """How many values its sources hand out in all, where that is known beforehand."""
        sizes = [source.size for source, _ in self.paths()]
        return sum(size for size in sizes if size is not None) if None not in sizes else None

    def paths(self, below: tuple[Any, ...] = ()) -> Iterator[tuple[Source, tuple[Any, ...]]]:
        """Yield every source with the stages behind it, nearest first; however many there are."""
        todo: list[tuple[Stream[Any], list[Any]]] = [(self, [*reversed(below)])]
        while todo:
            stream, behind = todo.pop()
            while stream.inputs:
                behind.append(stream.stage)
                others = [(other, [*behind]) for other in stream.inputs[1:]]
                todo += reversed(others)
                stream = stream.inputs[0]
            if isinstance(stream.stage, Source):
                yield stream.stage, tuple(reversed(behind))

    def _check(self) -> None:
        """Raise ValueError where a chunk can't be filled with what prefetch lets out, or in time."""
        for source, path in self.paths():
            check_patience(source, path)
            check_strictness(path)
            needed = demand(path)
            if source.bounded and source.prefetch is not None and needed.largest > source.prefetch:
                raise ValueError(
                    f"{source.name}(prefetch={source.prefetch}): prefetch must be at least as large "
                    f"as a chunk, {needed.largest} messages ({' + '.join(needed.terms or [])}); "
                    "raise prefetch, leave it out to have it derived, or make the chunk smaller"
                )

    # -- running ----------------------------------------------------------------------------------

    def attach(
        self, session: Session, below: tuple[Any, ...], outer: Context | None = None
    ) -> AsyncIterator[Run[Any]]:
        """Return the runs of this stream for one run of a pipeline.

        `outer`: the context of the stage that opened it, where the stream begins with a lane.
        """
        meter = None if session.meters is None else session.meters.of(self)
        runs = self._attach(session, below, outer, meter)
        return runs if meter is None else Metered(runs, meter)

    def _attach(
        self, session: Session, below: tuple[Any, ...], outer: Context | None, meter: Meter | None
    ) -> AsyncIterator[Run[Any]]:
        stage = self.stage
        if isinstance(stage, Source):
            inlet = stage.inlet(session, self._prefetch(stage, session, below))
            session.inlets.append(inlet)
            if meter is not None:
                meter.inlet = inlet
            return inlet.runs()
        if isinstance(stage, Step):
            return self._fuse(session, below, outer)
        inputs, inlets = [], []
        for stream in self.inputs:
            known = len(session.inlets)
            inputs.append(stream.attach(session, (stage, *below), outer))
            inlets.append((*(outer.inlets if outer else ()), *session.inlets[known:]))
        depth = (*(outer.depth if outer else ()), self._depth)
        context = replace(self._context(session, below), inputs=tuple(inlets), depth=depth)
        return stage.runs(context, *inputs)

    def _fuse(
        self, session: Session, below: tuple[Any, ...], outer: Context | None
    ) -> AsyncIterator[Run[Any]]:
        stream: Stream[Any] = self
        steps: list[Step] = []
        contexts: list[Context] = []
        while isinstance(stream.stage, Step):
            steps.insert(0, stream.stage)
            contexts.insert(0, stream._context(session, below))
            below = (stream.stage, *below)
            stream = stream.inputs[0]
        return Fused(session, steps, contexts).runs(stream.attach(session, below, outer))

    def _context(self, session: Session, below: tuple[Any, ...]) -> Context:
        places = min((stream.places for stream in self.inputs), default=0)
        meter = None if session.meters is None else session.meters.of(self)
        return Context(session, _is_caught(below), places, meter, name=session.name(self))

    def _prefetch(self, source: Source, session: Session, below: tuple[Any, ...]) -> int:
        if source.prefetch is not None or not source.bounded:
            return source.prefetch or 0
        needed = bounded_demand(source, below)
        if session.looking:
            return min(MOST_PREFETCH, needed.sum + session.looking * needed.largest)
        return min(MOST_PREFETCH, max(LEAST_PREFETCH, 2 * needed.sum))

    # -- looking ----------------------------------------------------------------------------------

    def __aiter__(self) -> AsyncIterator[A_co]:
        return Looking(self, 0).values()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[AsyncIterator[A_co]]:
        """Look at the values, and close at once after `break`.

        Example:
            async with stream.open() as values:
                async for value in values:
                    break

        Acks: nothing is settled; what was looked at is given back at the end.
        """
        async with aclosing(Looking(self, 0).values()) as values:
            yield values

    async def peek(self, count: int) -> list[A_co]:
        """Look at the first `count` values (fewer where the stream ends before).

        Example:
            await streams.of("a", "b", "c").peek(2)      # ['a', 'b']

        Acks: nothing is settled; what was looked at is given back, and comes again as redelivered.
        Raises PrefetchExhausted where the source's prefetch lets out fewer.
        """
        check_count("stream.peek(count)", count, 1, "`async for` looks at all there is")
        found: list[A_co] = []
        async with aclosing(Looking(self, count).values()) as values:
            async for value in values:
                found.append(value)
                if len(found) == count:
                    break
        return found

    async def messages(self) -> AsyncIterator[Message[A_co]]:
        """Hand out messages to be settled by hand.

        Example:
            async for message in stream.messages():
                with message as value:
                    await store(value)

        Acks: `message.ack()`, `.requeue()`, `.reject()`; what is left is given back at the end.
        """
        async with aclosing(Looking(self, None).messages()) as messages:
            async for message in messages:
                yield message

    def __await__(self) -> NoReturn:
        raise TypeError(
            "await stream: a stream has no result of its own; end it in a sink, as in "
            "await (stream | sinks.to_list()), and mind the parentheses: await binds tighter than |"
        )

    def __add__(self, other: "Stream[Any]") -> "Stream[Any]":
        """Put another stream after this one."""
        if not isinstance(other, Stream):
            return NotImplemented
        return Stream(Concat((other,)), self, other)

    def __getitem__(self, index: slice) -> "Stream[A_co]":
        """Return the stream of the values from `start` up to `stop`, every `step`th."""
        start, stop, step = _from_the_front(index)
        return Stream(Slice("slice", start, stop, step), self)

    def __repr__(self) -> str:
        stream, chain = self, [repr(self.stage)]
        while len(stream.inputs) == 1:
            stream = stream.inputs[0]
            chain.append(repr(stream.stage))
        chain += [" | ".join(map(repr, stream.inputs))] if stream.inputs else []
        return " | ".join(reversed(chain))


def _is_caught(below: tuple[Any, ...]) -> bool:
    """Say whether what fails is passed on until a stage catches it."""
    for stage in below:
        if getattr(stage, "catches", False):
            return True
        if not getattr(stage, "passes_failures", False):
            return False
    return False


def _from_the_front(index: object) -> tuple[int, int | None, int]:
    """Return a slice's bounds; raise where they can't be known before the stream's end."""
    if isinstance(index, slice):
        start, stop, step = index.start or 0, index.stop, 1 if index.step is None else index.step
        whole = all(isinstance(part, int) for part in (start, step, stop or 0))
        if whole and start >= 0 and (stop is None or stop >= 0) and step > 0:
            return start, stop, step
    raise TypeError(
        "stream[index]: must be a slice from the front, such as stream[10:20] or stream[::2], "
        f"got {shown(index)}; sinks.first() returns one value"
    )
