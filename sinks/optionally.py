"""optional: a sink that nobody waits for."""

import asyncio
from typing import Any, TypeVar, overload

from ackflow.sinks.several import Several, a_sink
from ackflow.streams.core import (
    ACCEPTED,
    NOBODY,
    Circuit,
    Joined,
    Run,
    Session,
    Sink,
    Token,
    Writable,
    cancelled,
    settle,
)

A = TypeVar("A")
R = TypeVar("R")


WAITING = 1_000
"""Elements that wait for an optional sink before more are dropped."""


class Optional(Several):
    """A sink nobody waits for."""

    def __init__(self, sink: Sink[Any, Any]) -> None:
        super().__init__("optional", [sink])

    @property
    def holds(self) -> int:
        return 1

    def writer(self, session: Session, places: int) -> Any:
        return OptionalWriter(session, self.sinks[0], places)


class OptionalWriter:
    """Accepts at once, and writes what there is room for."""

    def __init__(self, session: Session, sink: Sink[Any, Any], places: int) -> None:
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
            self._session.failed(run, "optional")
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
