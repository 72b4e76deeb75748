"""Watched: a user's sink, with a record of what the engine asked of it and what it said."""

import copy
from collections.abc import Sequence
from typing import Any, ClassVar

from ackflow.streams.core import (
    Context,
    Joined,
    Run,
    Session,
    Shape,
    Sink,
    Step,
    Summary,
    Writer,
    as_sink,
    shown,
)
from ackflow.streams.testing.cases import flat


class Watched(Sink[Any, Any]):
    """Passes everything on to a sink, and takes down calls, answers and faults."""

    name: ClassVar[str] = "watched"

    def __init__(self, sink: Any) -> None:
        self.sink = as_sink(sink)
        if type(self.sink).writer is not Sink.writer:
            raise TypeError(
                "testing.check_sink(make_sink): must make a sink with write(items) or "
                f"write_messages(messages), got {shown(self.sink)}, which has a writer of its own; "
                "check the sinks in it one by one"
            )
        self.max_items = self.sink.max_items
        self.concurrency = self.sink.concurrency
        self.idempotent = self.sink.idempotent
        self.events: list[str] = []
        """"open", "write", "close" and "result", in the order of the calls."""
        self.faults: list[str] = []
        self.blamed: list[Any] = []
        """Elements of writes that raised as a whole."""
        self._load = [0]
        if hasattr(self.sink, "write_messages"):
            self.write_messages = self._write_messages

    def writer(self, session: Session, places: int) -> Any:
        """Write to a copy in each run, as the engine does with the sink itself."""
        watched = copy.copy(self)
        watched.sink = copy.copy(self.sink)
        if hasattr(watched.sink, "write_messages"):
            watched.write_messages = watched._write_messages
        return Writer(watched, session, places)

    async def open(self) -> None:
        self._note("open")
        await self.sink.open()

    async def close(self) -> None:
        self._note("close")
        if self._load[0]:
            self.faults.append(f"close() was called with {self._load[0]} writes in flight")
        await self.sink.close()

    def result(self, summary: Summary) -> Any:
        self._note("result")
        return self.sink.result(summary)

    async def write(self, items: Sequence[Any]) -> Sequence[Exception | None] | None:
        async with self._writing(flat(list(items))):
            answer = await self.sink.write(items)
        if answer is not None:
            self._check(answer, items)
        return answer

    async def _write_messages(self, messages: Sequence[Any]) -> None:
        sink: Any = self.sink
        async with self._writing(flat([message.value for message in messages])):
            await sink.write_messages(messages)

    def _writing(self, items: list[Any]) -> "_Writing":
        self._note("write")
        return _Writing(self, items)

    def _note(self, event: str) -> None:
        self.events.append(event)

    def _check(self, answer: Any, items: Sequence[Any]) -> None:
        """Take down an answer that the engine can't read."""
        members = len(items[0]) if len(items) == 1 and isinstance(items[0], list) else len(items)
        if not isinstance(answer, Sequence) or len(answer) not in (len(items), members):
            self.faults.append(
                f"write() returned {answer!r}: it must be None, or a list with one entry per element "
                f"({len(items)}) or per member of a chunk ({members})"
            )
        elif wrong := [
            each for each in answer if not (each is None or isinstance(each, Exception))
        ]:
            self.faults.append(
                f"write() returned {wrong[0]!r} for an element: an entry must be None or an exception"
            )


class _Writing:
    """One write: counts it while it is in flight, and notes its elements where it raises."""

    def __init__(self, watched: Watched, items: list[Any]) -> None:
        self._watched = watched
        self._items = items

    async def __aenter__(self) -> None:
        self._watched._load[0] += 1

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self._watched._load[0] -= 1
        if isinstance(error, Exception):
            self._watched.blamed += self._items


class JoinedRuns(Step):
    """Joins the values of a run into chunks of `size`; waits for nothing, so the last may be short."""

    name = "joined"

    def __init__(self, size: int) -> None:
        self.size = size

    def shape(self, before: Shape) -> Shape:
        return (*before, self.size)

    def places(self, before: int) -> int:
        return before + 1

    def bind(self, context: Context) -> Any:
        return self._join

    def _join(self, run: Run[Any]) -> Run[Any]:
        parts = [run.part(start, start + self.size) for start in range(0, len(run), self.size)]
        return Run([part.values for part in parts], [(Joined(part.tokens), 0) for part in parts])
