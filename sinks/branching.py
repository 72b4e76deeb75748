"""Sinks made of sinks: tee, optional, route."""

import asyncio
import inspect
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, Protocol, TypeVar, overload

from ackflow.sinks.branch import Branch
from ackflow.sinks.calling import check_count
from ackflow.streams.core import (
    ACCEPTED,
    Circuit,
    Delivery,
    Joined,
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

A = TypeVar("A")
A_contra = TypeVar("A_contra", contravariant=True)
R = TypeVar("R")
S = TypeVar("S")


class Writable(Protocol[A_contra]):
    """A user's own sink, without a base class."""

    async def write(self, items: Sequence[A_contra], /) -> Sequence[Exception | None] | None:
        """Write elements."""
        ...


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


async def close_all(parts: Sequence[Any]) -> None:
    """Close all of them, the last first, even where one raises."""
    async with AsyncExitStack() as stack:
        for part in parts:
            stack.push_async_callback(part.close)


class Tee(Several):
    """Writes every element to several sinks."""

    def __init__(self, sinks: Sequence[Sink[Any, Any]], attempts: int, wait: Wait) -> None:
        super().__init__("tee", sinks)
        self.attempts = attempts
        self.wait = wait

    def writer(self, session: Session, places: bool) -> Any:
        branches = [Branch(session, sink, places, self.attempts, self.wait) for sink in self.sinks]
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
        await close_all(self._branches)

    def result(self) -> tuple[Any, ...]:
        """Return the branches' results."""
        return tuple(branch.writer.result() for branch in self._branches)


@overload
def tee(
    first: Sink[A, R], second: Sink[A, S], /, *, attempts: int = 5, wait: Wait | None = None
) -> Sink[A, tuple[R, S]]: ...
@overload
def tee(
    *sinks: Sink[A, Any] | Writable[A], attempts: int = 5, wait: Wait | None = None
) -> Sink[A, tuple[Any, ...]]: ...
def tee(*sinks: Any, attempts: int = 5, wait: Wait | None = None) -> Any:
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
    check_count("sinks.tee(attempts)", attempts)
    if wait is not None and (not callable(wait) or isinstance(wait, type)):
        raise TypeError(
            "sinks.tee(wait): must be a function of the retry state, such as tenacity.wait_fixed(1), "
            f"got {wait!r}"
        )
    checked = [a_sink("sinks.tee(*sinks)", sink) for sink in sinks]
    return Tee(checked, attempts, wait or exponential())


def a_sink(call: str, candidate: object) -> Sink[Any, Any]:
    """Return a sink; raise TypeError, naming the call, for what is none."""
    try:
        return as_sink(candidate)
    except TypeError as error:
        raise TypeError(f"{call}: {error}") from None


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
        self._places = places
        self._name = sink.name
        aside: Any = _Aside(session)
        self._aside: _Aside = aside
        self._writer = sink.writer(aside, places)
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
            self._queue.put_nowait(Run([value], [self._nobody(value)]))

    def _nobody(self, value: Any) -> Token:
        if self._places and isinstance(value, list | tuple):
            return (Joined([(NOBODY, 0)] * len(value)), 0)
        return (NOBODY, 0)

    async def _write(self) -> None:
        """Write what waits; where the sink can't be opened, drop and count it."""
        usable = await self._opened()
        while (run := await self._queue.get()) is not None:
            self._waiting -= 1
            if usable:
                await self._writer.put(run)
            else:
                self._session.summary.dropped += 1

    async def _opened(self) -> bool:
        try:
            await self._writer.open()
        except Exception as error:
            self._session.record(error, f"optional: {self._name}.open()", None)
            return False
        return True

    async def finish(self) -> None:
        """Write what waits; drop and count it where the sink is away."""
        self._queue.put_nowait(None)
        if await self._aside.unless_away(self._task):
            await self._aside.unless_away(asyncio.create_task(self._writer.finish()))
        self._session.summary.dropped += self._waiting

    async def close(self) -> None:
        """Stop writing and close the sink."""
        await cancelled(self._task)
        await self._writer.close()

    def result(self) -> Any:
        """Return the sink's result."""
        return self._writer.result()


class _Aside:
    """A session as an optional sink sees it: it notes when that sink is away."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._away = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def circuit(self, part: str) -> Circuit:
        """Return a circuit that tells us first."""
        return Circuit(f"optional {part}", self)

    def halted(self, part: str, reason: str) -> None:
        """Note that it is away."""
        self._away.set()
        self._session.halted(part, reason)

    def resumed(self, part: str) -> None:
        """Note that it is back."""
        self._away.clear()
        self._session.resumed(part)

    async def unless_away(self, task: "asyncio.Task[None] | None") -> bool:
        """Wait for a task, or cancel it when the sink is away; say whether it ended."""
        if task is None:
            return False
        away = asyncio.create_task(self._away.wait())
        try:
            await asyncio.wait([task, away], return_when=asyncio.FIRST_COMPLETED)
            ended = task.done()
            if ended and (error := task.exception()) is not None:
                self._session.fail(error)
        finally:
            await cancelled(away, None if task.done() else task)
        return ended


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


@overload
def optional(sink: Sink[A, R]) -> Sink[A, R]: ...
@overload
def optional(sink: Writable[A]) -> Sink[A, Any]: ...
def optional(sink: Any) -> Sink[Any, Any]:
    """Write to a sink that nobody waits for.

    Example:
        sinks.tee(store, sinks.optional(sinks.each(notify)))

    Acks: accepts at once. What fails in it is counted and dropped; where more than 1,000 elements wait
    for it, further ones are dropped and counted (`summary.dropped`).
    Raises TypeError, where it is written, for what is no sink.
    """
    return Optional(a_sink("sinks.optional(sink)", sink))


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
        parts: dict[int, tuple[Any, list[Any], list[Token]]] = {}
        for value, token in zip(run.values, run.tokens, strict=True):
            try:
                writer = self._writer(value)
            except Exception as error:
                self._session.failed([token], error, "route", value)
                continue
            _, values, tokens = parts.setdefault(id(writer), (writer, [], []))
            values.append(value)
            tokens.append(token)
        for writer, values, tokens in parts.values():
            await writer.put(Run(values, tokens))

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
        await close_all(self._all)

    def result(self) -> dict[Any, Any]:
        """Return the sinks' results by key; the default's under None."""
        results = {key: writer.result() for key, writer in self._writers.items()}
        return results if self._default is None else {**results, None: self._default.result()}


def route(
    key: Callable[[A], Hashable], routes: Mapping[Any, Any], default: Any = None
) -> Sink[A, dict[Any, Any]]:
    """Write every element to the sink that `key(element)` names.

    Example:
        sinks.route(lambda doc: doc["language"], {"pt": portuguese, "en": english}, default=other)

    The result is a dict of the sinks' own results by key.
    Acks: those of the sink it went to. A key without a route, and without `default`, is a failure of
    that element (LookupError, hence for good).
    Raises TypeError or ValueError, where it is written, for settings that can't be meant.
    """
    if not callable(key):
        raise TypeError(f"sinks.route(key): key must be a function of one element, got {key!r}")
    if inspect.iscoroutinefunction(key):
        raise TypeError(
            f"sinks.route(key): key must be an ordinary function, got the coroutine function {key!r}; "
            "use op.map_async before"
        )
    if not isinstance(routes, Mapping) or not routes:
        raise ValueError(
            f"sinks.route(routes): must map at least one key to a sink, got {routes!r}"
        )
    call = "sinks.route(key, routes)"
    table = {name: a_sink(call, sink) for name, sink in routes.items()}
    return Route(key, table, None if default is None else a_sink(call, default))
