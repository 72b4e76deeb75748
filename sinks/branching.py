"""Sinks made of sinks: tee, optional, route."""

import asyncio
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

from ackflow.sinks.branch import Branch
from ackflow.streams.core import (
    ACCEPTED,
    Delivery,
    Kind,
    Outcome,
    Run,
    Session,
    Sink,
    Token,
    Wait,
    as_sink,
    cancelled,
    exponential,
    fork,
    settle,
)

WAITING = 1_000
"""Elements that wait for an optional sink before more are dropped."""


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

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(map(repr, self.sinks))})"


class Tee(Several):
    """Writes every element to several sinks."""

    def __init__(self, sinks: Sequence[Sink[Any, Any]], attempts: int, wait: Wait) -> None:
        super().__init__("tee", sinks)
        self.attempts = attempts
        self.wait = wait

    def writer(self, session: Session, places: bool) -> Any:
        branches = [
            Branch(sink.writer(session, places), sink.name, self.attempts, self.wait)
            for sink in self.sinks
        ]
        return TeeWriter(session, branches)


class TeeWriter:
    """Forks every message into one per branch."""

    def __init__(self, session: Session, branches: Sequence[Branch]) -> None:
        self._session = session
        self._branches = branches

    async def open(self) -> None:
        """Open every branch."""
        for branch in self._branches:
            await branch.open()

    async def put(self, run: Run[Any]) -> None:
        """Hand a run to every branch; the slowest sets the pace."""
        if run.error is not None:
            self._session.failed(run.tokens, run.error, "tee", run.values[0])
            return
        forks = [fork(token, len(self._branches)) for token in run.tokens]
        for index, branch in enumerate(self._branches):
            await branch.put(Run(list(run.values), [tokens[index] for tokens in forks]))

    async def finish(self) -> None:
        """Wait until every branch has written, or given up on, what it got."""
        for branch in self._branches:
            await branch.finish()

    async def close(self) -> None:
        """Close every branch."""
        for branch in self._branches:
            await branch.close()

    def result(self) -> tuple[Any, ...]:
        """Return the branches' results."""
        return tuple(branch.writer.result() for branch in self._branches)


def tee(*sinks: Any, attempts: int = 5, wait: Wait | None = None) -> Sink[Any, tuple[Any, ...]]:
    """Write every element to each of several sinks.

    Example:
        chunks | sinks.tee(sinks.elasticsearch.bulk(url, index="words", id="word"), archive)

    The result is a tuple of the sinks' own. Each branch writes at its own pace; the slowest sets that
    of the stream.
    Acks: splits: accepted when every branch has accepted; the worst outcome counts. What fails in a
    branch is tried again in that branch alone, `attempts` times with the waits of `wait` (a tenacity
    wait, by default exponential from 1 s to 60 s), and then rejected.
    Raises TypeError or ValueError, where it is written, for settings that can't be meant.
    """
    if len(sinks) < 2:
        raise ValueError(f"sinks.tee(*sinks): must be given two sinks or more, got {len(sinks)}")
    if not isinstance(attempts, int) or attempts < 1:
        raise ValueError(f"sinks.tee(attempts): must be a whole number from 1 up, got {attempts!r}")
    return Tee([as_sink(sink) for sink in sinks], attempts, wait or exponential())


class Optional(Several):
    """A sink nobody waits for."""

    def __init__(self, sink: Sink[Any, Any]) -> None:
        super().__init__("optional", [sink])

    @property
    def holds(self) -> int:
        return 1

    def writer(self, session: Session, places: bool) -> Any:
        return OptionalWriter(session, self.sinks[0], places)


class OptionalWriter:
    """Accepts at once, and writes what there is room for."""

    def __init__(self, session: Session, sink: Sink[Any, Any], places: bool) -> None:
        self._session = session
        self._writer = sink.writer(session, places)
        self._queue: asyncio.Queue[Run[Any] | None] = asyncio.Queue()
        self._waiting = 0
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin to write as soon as the sink is open; nobody waits for that either."""
        self._task = asyncio.create_task(self._write(), name="optional: write")

    async def put(self, run: Run[Any]) -> None:
        """Accept a run; drop and count what there is no room for."""
        if run.error is not None:
            self._session.failed(run.tokens, run.error, "optional", run.values[0])
            return
        settle(run.tokens, ACCEPTED)
        room = max(0, WAITING - self._waiting)
        kept = run.values[:room]
        self._session.summary.dropped += len(run) - len(kept)
        self._waiting += len(kept)
        for value in kept:
            self._queue.put_nowait(Run([value], [(NOBODY, 0)]))

    async def _write(self) -> None:
        await self._writer.open()
        while (run := await self._queue.get()) is not None:
            self._waiting -= 1
            await self._writer.put(run)

    async def finish(self) -> None:
        """Write what waits, unless the sink is away."""
        self._queue.put_nowait(None)
        if self._task is not None and self._session.state.startswith("halted"):
            await cancelled(self._task)
        elif self._task is not None:
            await self._task
            await self._writer.finish()

    async def close(self) -> None:
        """Stop writing and close the sink."""
        await cancelled(self._task)
        await self._writer.close()

    def result(self) -> Any:
        """Return the sink's result."""
        return self._writer.result()


class _Nobody:
    """An account that nothing hangs on."""

    closed = False

    def settle(self, tags: Sequence[int], outcome: Outcome) -> None:
        """Nobody waits for it."""

    def judge(self, error: Exception) -> Outcome:
        return Outcome(Kind.REJECT, error)

    def roots(self, tag: int) -> Iterator[Token]:
        return iter(())

    def delivery(self, tag: int) -> Delivery | None:
        return None


NOBODY = _Nobody()


def optional(sink: Any) -> Sink[Any, Any]:
    """Write to a sink that nobody waits for.

    Example:
        sinks.tee(store, sinks.optional(sinks.each(notify)))

    Acks: accepts at once. What fails in it is counted and dropped; where more than 1,000 elements wait
    for it, further ones are dropped and counted (`summary.dropped`).
    Raises TypeError, where it is written, for what is no sink.
    """
    return Optional(as_sink(sink))


class Route(Several):
    """Writes every element to the sink its key names."""

    def __init__(
        self,
        key: Callable[[Any], Hashable],
        routes: Mapping[Hashable, Sink[Any, Any]],
        default: Sink[Any, Any] | None,
    ) -> None:
        self.key = key
        self.routes = routes
        self.default = default
        everything = [*routes.values(), *([] if default is None else [default])]
        super().__init__("route", everything)

    def writer(self, session: Session, places: bool) -> Any:
        return RouteWriter(self, session, places)


class RouteWriter:
    """Sorts runs by key."""

    def __init__(self, route: Route, session: Session, places: bool) -> None:
        self._route = route
        self._session = session
        self._writers = {key: sink.writer(session, places) for key, sink in route.routes.items()}
        default = route.default
        self._default = None if default is None else default.writer(session, places)
        self._all = [*self._writers.values(), *([self._default] if self._default else [])]

    async def open(self) -> None:
        """Open every sink."""
        for writer in self._all:
            await writer.open()

    async def put(self, run: Run[Any]) -> None:
        """Write each element where its key says; one without a way fails by itself."""
        if run.error is not None:
            self._session.failed(run.tokens, run.error, "route", run.values[0])
            return
        parts: dict[int, tuple[Any, Run[Any]]] = {}
        for value, token in zip(run.values, run.tokens, strict=True):
            try:
                writer = self._writer(value)
            except Exception as error:
                self._session.failed([token], error, "route", value)
                continue
            _, part = parts.setdefault(id(writer), (writer, Run([], [])))
            part.values.append(value)
            part.tokens = [*part.tokens, token]
        for writer, part in parts.values():
            await writer.put(part)

    def _writer(self, value: Any) -> Any:
        key = self._route.key(value)
        writer = self._writers.get(key, self._default)
        if writer is None:
            raise LookupError(
                f"sinks.route(key, routes): no route for the key {key!r:.100}; there are "
                f"{sorted(map(repr, self._writers))}; default= takes the rest"
            )
        return writer

    async def finish(self) -> None:
        """Wait until everything is written."""
        for writer in self._all:
            await writer.finish()

    async def close(self) -> None:
        """Close every sink."""
        for writer in self._all:
            await writer.close()

    def result(self) -> dict[Any, Any]:
        """Return the sinks' results by key; the default's under None."""
        results = {key: writer.result() for key, writer in self._writers.items()}
        return results if self._default is None else {**results, None: self._default.result()}


def route(
    key: Callable[[Any], Hashable], routes: Mapping[Any, Any], default: Any = None
) -> Sink[Any, dict[Any, Any]]:
    """Write every element to the sink that `key(element)` names.

    Example:
        sinks.route(lambda doc: doc["language"], {"pt": portuguese, "en": english}, default=other)

    The result is a dict of the sinks' own results by key.
    Acks: those of the sink it went to. A key without a route, and without `default`, is a failure of
    that element (LookupError, hence for good).
    Raises TypeError or ValueError, where it is written, for settings that can't be meant.
    """
    if not callable(key):
        raise TypeError(f"sinks.route(key): key must be a function, got {key!r}")
    if not routes:
        raise ValueError("sinks.route(routes): must hold at least one sink, got none")
    table = {name: as_sink(sink) for name, sink in routes.items()}
    return Route(key, table, None if default is None else as_sink(default))
