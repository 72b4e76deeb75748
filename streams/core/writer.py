"""Writer: writes one run of a pipeline to a sink, and settles what the sink says."""

import asyncio
from collections.abc import Awaitable
from inspect import isawaitable
from math import ceil, log2
from typing import TYPE_CHECKING, Any, TypeVar

from ackflow.streams.core.cancelling import cancelled, end_if_cancelled
from ackflow.streams.core.errors import OUTAGES, Verdict, shown
from ackflow.streams.core.message import Message
from ackflow.streams.core.outcome import ACCEPTED, GIVEN_BACK, Kind, Outcome
from ackflow.streams.core.portion import Portion
from ackflow.streams.core.run import Run
from ackflow.streams.core.token import settle

if TYPE_CHECKING:
    from ackflow.streams.core.session import Session
    from ackflow.streams.core.sink import Sink

T = TypeVar("T")

LATER = Outcome(Kind.REQUEUE)
"""Comes again at the policy's first pace; no attempt is spent."""


class Writer:
    """Writes runs to a sink, at most `concurrency` writes at a time."""

    def __init__(self, sink: "Sink[Any, Any]", session: "Session", places: int) -> None:
        """`places`: elements are chunks whose entries are still their members."""
        self.sink = sink
        self._chunks = places or sink.chunks
        self._session = session
        self._places = places
        self._circuit = session.circuit(sink.name)
        self._slots = asyncio.Semaphore(sink.concurrency)
        self._writes: set[asyncio.Task[None]] = set()
        self._by_message = hasattr(sink, "write_messages")

    async def open(self) -> None:
        """Open the sink, however long what it writes to is away."""
        await self._circuit.run(self.sink.open)

    async def put(self, run: Run[Any]) -> None:
        """Write a run; return when there is room for more, not when it is written."""
        if run.error is not None:
            self._session.failed(run, self.sink.name)
            return
        for start in range(0, len(run), self.sink.max_items):
            await self._slots.acquire()
            if self._session.draining and not self._chunks:
                self._slots.release()
                settle(run.tokens[start:], GIVEN_BACK)
                return
            part = run.part(start, start + self.sink.max_items)
            portion = Portion.of(part, self._places)
            if self.sink.concurrency > 1:
                self._start(portion)
                continue
            try:
                await self._deliver(portion)
            finally:
                self._slots.release()
            end_if_cancelled()

    def _start(self, portion: Portion) -> None:
        task = asyncio.create_task(self._deliver(portion), name=f"{self.sink.name}: write")
        self._writes.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._slots.release()
        self._writes.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._session.fail(error)

    async def finish(self) -> None:
        """Wait until all that was put is written."""
        while self._writes:
            await asyncio.wait(self._writes)

    async def close(self) -> None:
        """End writes still in flight, without a verdict on their messages, and close the sink."""
        await cancelled(*self._writes)
        await self.sink.close()

    def under_way(self) -> int:
        """Return how many writes are under way; where it is one at a time, that one is no task."""
        return len(self._writes) or int(self._slots.locked())

    def result(self) -> Any:
        """Return the sink's result."""
        return self.sink.result(self._session.summary)

    # -- one write --------------------------------------------------------------------------------

    async def _deliver(self, portion: Portion) -> None:
        """Write until every message is settled; an outage halts, anything else is an outcome."""
        portion = portion.fresh()
        if not portion.size:
            return
        try:
            if self._by_message:
                await self._deliver_messages(portion)
            else:
                await self._circuit.run(self._write, portion)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            self._fail(portion, RuntimeError(f"{self.sink.name} cancelled itself: {error!r}"))
        except Exception as error:
            await self._isolate(portion, error)

    async def _write(self, portion: Portion) -> None:
        """Write what is not settled yet, and settle what the sink says."""
        writing: Any = self.sink.write(portion.items)
        if not isawaitable(writing):
            raise TypeError(
                f"{self.sink.name}.write(items) must be async, got {shown(writing)} at once; "
                "write it with `async def`, or use sinks.each(function)"
            )
        answer = await self._observed(writing, portion)
        if answer is None:
            portion.settle_all(ACCEPTED)
            return
        outage = None
        written: list[int] = []
        for index, error in enumerate(portion.entries(answer, self.sink.name)):
            if error is None:
                written.append(index)
            elif isinstance(error, OUTAGES):
                outage = error
            else:
                portion.fail(index, error, self._session, self.sink.name)
        portion.accept(written)
        portion.forget_settled()
        if outage is not None:
            raise outage

    async def _deliver_messages(self, portion: Portion) -> None:
        run = portion.run
        messages = [
            Message(value, token, self._session, self.sink.name, self._places)
            for value, token in zip(run.values, run.tokens, strict=True)
        ]
        sink: Any = self.sink
        error: Exception = RuntimeError(f"{self.sink.name} left messages unsettled")
        try:
            await self._circuit.run(lambda: self._observed(sink.write_messages(messages), portion))
        except Exception as raised:
            error = raised
        for message in messages:
            for left in message.unsettled():
                if not left.stale:
                    left.fail(error)

    def _observed(self, writing: Awaitable[T], portion: Portion) -> Awaitable[T]:
        """Let whoever observes the run have something around a write."""
        observer = self._session.observer
        return writing if observer is None else observer.written(self.sink, portion.tokens, writing)

    # -- failing writes ---------------------------------------------------------------------------

    async def _isolate(self, portion: Portion, error: Exception) -> None:
        """Settle a write that raised; bisect it where writing twice does no harm (contract 3)."""
        if not self.sink.idempotent or isinstance(error, Verdict):
            self._fail(portion, error)
            return
        budget = 2 * ceil(log2(portion.size)) if portion.size > 1 else 0
        suspects: list[tuple[Portion, Exception]] = [(portion, error)]
        while suspects:
            part, error = suspects.pop(0)
            if part.size == 1 or isinstance(error, Verdict):
                self._fail(part, error)
            elif budget < 2:
                part.settle_all(LATER)
            else:
                budget -= 2
                suspects += await self._halve(part)

    async def _halve(self, portion: Portion) -> list[tuple[Portion, Exception]]:
        failed: list[tuple[Portion, Exception]] = []
        for half in portion.halves():
            try:
                await self._circuit.run(self._write, half)
            except Exception as error:
                failed.append((half, error))
        return failed

    def _fail(self, portion: Portion, error: Exception) -> None:
        for index in range(portion.size):
            portion.fail(index, error, self._session, self.sink.name)
