"""Ends for the laws: sinks that do something at one of their writes, sources that take count."""

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
    Sequence,
    Set,
)
from typing import Any, ClassVar

from ackflow.streams.core import (
    ACCEPTED,
    Delivery,
    Inlet,
    Kind,
    Outcome,
    Run,
    Session,
    Sink,
    Source,
    Summary,
    settle,
)
from ackflow.streams.core.token import RootToken
from ackflow.streams.core.watching import Heard, Watchers
from ackflow.streams.memory import MemoryQueue
from ackflow.streams.memory import queue as memory_queue


class Recording(Sink[Any, list[Any]]):
    """Keeps what it accepts, and is what it returns; does something before each of its writes."""

    name: ClassVar[str] = "recording"

    def __init__(self, at: Callable[[int], Any] | None = None) -> None:
        """`at`: called before each write with its number; a coroutine is awaited."""
        self.accepted: list[Any] = []
        self._at = at

    async def write(self, items: Sequence[Any]) -> None:
        if self._at is not None and (doing := self._at(len(self.accepted))) is not None:
            await doing
        self.accepted += items

    def result(self, summary: Summary) -> list[Any]:
        return self.accepted


class Block:
    """Never lets the write of this number pass."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.reached = asyncio.Event()

    def __call__(self, number: int) -> Any:
        if number != self._number:
            return None
        self.reached.set()
        return asyncio.Event().wait()

    async def wait_until_reached(self, task: "asyncio.Task[Any]") -> None:
        """Wait for the write, or the end of a run in which it does not come."""
        reached = asyncio.create_task(self.reached.wait())
        await asyncio.wait([reached, task], return_when=asyncio.FIRST_COMPLETED)
        reached.cancel()
        await asyncio.wait([reached])


async def ending(task: "asyncio.Task[Any]") -> BaseException | None:
    """Wait for the end of a run, and return the error that it ended with."""
    await asyncio.wait([task])
    return asyncio.CancelledError() if task.cancelled() else task.exception()


def closed_queue(values: Iterable[Any], **options: Any) -> MemoryQueue[Any]:
    """Make a queue in memory that ends when all of its values are settled."""
    queue = memory_queue(values, **options)
    queue.close()
    return queue


class Watched:
    """An async iterable that notes how often it was begun and closed, and may break at its end."""

    def __init__(self, values: Sequence[Any], error: Exception | None = None) -> None:
        self.begun = 0
        self.closed = 0
        self.broken = False
        self.error = error
        self._values = values

    async def __aiter__(self) -> AsyncIterator[Any]:
        self.begun += 1
        try:
            for value in self._values:
                yield value
            if self.error is not None:
                self.broken = True
                raise self.error
        finally:
            self.closed += 1


class Gate(Sink[Any, None]):
    """Accepts runs at once, until it blocks with one of them; knows which messages that one is of."""

    name: ClassVar[str] = "gate"

    def __init__(self, number: int) -> None:
        """`number`: of the run that it blocks with."""
        self.left = number
        self.keeps: set[RootToken] = set()

    def writer(self, session: Session, places: int) -> "Gate":
        """Write for itself: it looks at tokens, which no `write` is given."""
        return self

    async def put(self, run: Run[Any]) -> None:
        if self.left:
            self.left -= 1
            settle(run.tokens, ACCEPTED)
            return
        self.keeps = {root for account, tag in run.tokens for root in account.roots(tag)}
        await asyncio.Event().wait()

    async def finish(self) -> None:
        """Nothing is in flight when `put` has returned."""

    def result(self, *_: Any) -> None:
        """Return nothing."""


class Counting(Source):
    """Hands out one message a run, and counts how many are out: neither settled nor at the gate."""

    name: ClassVar[str] = "counting"

    def __init__(self, values: Sequence[Any], gate: Gate) -> None:
        self.values = values
        self.handed = 0
        self.settled = 0
        self.most = 0
        self._gate = gate

    @property
    def out(self) -> int:
        """How many messages were handed out, and are neither settled nor at the gate."""
        at_gate = sum(isinstance(account, CountingInlet) for account, _ in self._gate.keeps)
        return self.handed - self.settled - at_gate

    def inlet(self, session: Session, prefetch: int) -> "CountingInlet":
        return CountingInlet(self)


class CountingInlet(Inlet[Any]):
    """A counting source in one run, and the account of its messages."""

    closed = False

    def __init__(self, source: Counting) -> None:
        self._source = source
        self._stopped = False
        self._watchers = Watchers()

    async def open(self) -> None:
        """Nothing is to be opened."""

    async def runs(self) -> AsyncGenerator[Run[Any]]:
        source = self._source
        for tag, value in enumerate(source.values):
            if self._stopped:
                return
            source.handed += 1
            source.most = max(source.most, source.out)
            yield Run([value], [(self, tag)])

    def stop(self) -> None:
        self._stopped = True

    def pause(self, paused: bool) -> None:
        """It is never paused."""

    async def close(self, *, abort: bool = False) -> None:
        """Nothing is to be closed."""

    def settle(self, tags: Sequence[int], outcome: Outcome) -> None:
        self._source.settled += len(tags)
        self._watchers.tell(tags)

    def judge(self, error: Exception) -> Outcome:
        return Outcome(Kind.REJECT, error)

    def eased(self) -> None:
        """Nobody waits for it."""

    def wholes(self, tags: Set[int]) -> Sequence[Any]:
        return ()

    def roots(self, tag: int) -> Iterator[RootToken]:
        yield (self, tag)

    def watch(self, tag: int, heard: Heard) -> None:
        self._watchers.add(tag, heard)

    def delivery(self, tag: int) -> Delivery | None:
        return None
