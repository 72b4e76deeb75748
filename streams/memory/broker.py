"""A broker in memory, with the semantics of AMQP 0-9-1: tags, prefetch, redelivery, multiple acks.

An ack for a tag that is not open closes the channel and raises, as a server's 406 does.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from heapq import heappop, heappush
from itertools import count, takewhile
from operator import itemgetter
from typing import Any, ClassVar, Generic, Literal, NamedTuple, TypeAlias, TypeVar

from ackflow.streams.core import (
    Delivery,
    Epoch,
    Frame,
    IllegalAcknowledgement,
    Verb,
    texts_among,
)

A = TypeVar("A")


Verbs = Literal["acked", "rejected", "requeued"]
LET_GO: dict[Verb, Verbs] = {Verb.ACK: "acked", Verb.REJECT: "rejected"}


class Settlement(NamedTuple, Generic[A]):
    """What became of one message that was handed out."""

    verb: Verbs
    value: A


Entry: TypeAlias = tuple[int, A]
"""One message in a queue: its number there and its value."""

_value = itemgetter(1)


class MemoryBroker(Generic[A]):
    """One queue, its messages, and the channels that consume it."""

    name = "memory.queue"
    start_timeout = 10.0
    patience: float | None = None
    trace_attributes: ClassVar = {"messaging.system": "memory"}

    def __init__(self, values: Iterable[A], *, history: bool = True) -> None:
        """`history`: keep what becomes of values, in lists that only grow."""
        self._history = history
        self._fresh: deque[A] = deque()
        """What was never handed out; all of it lies behind what was."""
        self._number = 0
        """The number of the first of these."""
        self._returned: list[Entry[A]] = []
        """What came back, a heap by number."""
        self._deliveries: dict[int, int] = {}
        """How often messages were handed out that came back at least once, by number."""
        self._headers: dict[int, dict[str, Any]] = {}
        """Those of the messages that have some, by number."""
        self.acked: list[A] = []
        self.rejected: list[A] = []
        self.requeued: list[A] = []
        self._settled: list[tuple[Verbs, list[A]]] = []
        self.channels: list[MemoryChannel[A]] = []
        self.prefetch = 0
        self.closed = False
        self._producers: set[asyncio.Future[None]] = set()
        """Those that wait for room."""
        self._failures: deque[Exception] = deque()
        self._pause: asyncio.TimerHandle | None = None
        self._pausing: asyncio.AbstractEventLoop | None = None
        self.watchers: list[Callable[[], object]] = []
        """Called when somebody connects, and when messages were handed out."""
        self.put(values)

    def put(self, values: Iterable[A], headers: Mapping[str, Any] | None = None) -> None:
        """Append messages, all with these headers."""
        first = self._number + len(self._fresh)
        self._fresh.extend(values)
        if headers:
            behind = self._number + len(self._fresh)
            self._headers |= {number: dict(headers) for number in range(first, behind)}

    def get(self, most: int) -> list[Entry[A]]:
        """Take out the first messages that are ready, unless the broker pauses."""
        if self._pausing is asyncio.get_running_loop():
            return []
        entries = [heappop(self._returned) for _ in range(min(most, len(self._returned)))]
        for number, _ in entries:
            self._deliveries[number] += 1
        fresh = range(self._number, self._number + min(most - len(entries), len(self._fresh)))
        self._number = fresh.stop
        first = self._fresh.popleft
        entries += [(number, first()) for number in fresh]
        return entries

    def put_back(self, entries: Iterable[Entry[A]]) -> None:
        """Return messages to their old positions, as RabbitMQ does where it can."""
        for entry in entries:
            self._deliveries.setdefault(entry[0], 1)
            heappush(self._returned, entry)
            self._note("requeued", [entry])

    def settle(self, verb: Verb, entries: Sequence[Entry[A]]) -> None:
        """Forget messages that were acked or rejected, but for the history; put others back."""
        if verb not in LET_GO:
            self.put_back(entries)
            return
        if self._deliveries or self._headers:
            for number, _ in entries:
                self._deliveries.pop(number, None)
                self._headers.pop(number, None)
        self._note(LET_GO[verb], entries)

    def _note(self, verb: Verbs, entries: Sequence[Entry[A]]) -> None:
        """Keep what became of messages."""
        if self._history:
            values = list(map(_value, entries))
            getattr(self, verb).extend(values)
            self._settled.append((verb, values))

    @property
    def settlements(self) -> list[Settlement[A]]:
        """What became of the values that were handed out."""
        return [Settlement(verb, value) for verb, values in self._settled for value in values]

    @property
    def waiting(self) -> int:
        """How many messages wait to be handed out."""
        return len(self._returned) + len(self._fresh)

    @property
    def ready(self) -> list[A]:
        """The values that wait to be handed out."""
        return [*map(_value, sorted(self._returned)), *self._fresh]

    @property
    def untouched(self) -> bool:
        """Whether some message has never been handed out."""
        return bool(self._fresh)

    @property
    def unsettled(self) -> list[A]:
        """The values handed out and not settled."""
        return [value for channel in self.channels for _, value in channel.open.values()]

    @property
    def ended(self) -> bool:
        """Whether no message will come any more."""
        return self.closed and not self.waiting

    def fail(self, error: Exception, times: int) -> None:
        """Have the next `times` connections fail."""
        self._failures.extend([error] * times)

    def pause(self, seconds: float) -> None:
        """Hand out nothing for so long."""
        if self._pause is not None:
            self._pause.cancel()
        self._pausing = asyncio.get_running_loop()
        self._pause = self._pausing.call_later(seconds, self._resume)

    def _resume(self) -> None:
        self._pause = self._pausing = None
        self.dispatch()

    def watch(self) -> None:
        """Tell those who watch."""
        for watcher in self.watchers:
            watcher()

    async def connect(self, epoch: Epoch[Entry[A]]) -> "MemoryChannel[A]":
        """Open a channel and hand out up to `prefetch` messages."""
        self.watch()
        if self._failures:
            raise self._failures.popleft()
        channel = MemoryChannel(self, epoch, self.prefetch)
        self.channels.append(channel)
        channel.wake()
        return channel

    def describe(self, raw: Entry[A]) -> Delivery:
        """Return a message as a Delivery."""
        number, value = raw
        deliveries = self._deliveries.get(number, 1)
        return Delivery(
            value,
            headers=self._headers.get(number, {}),
            routing_key=self.name,
            redelivered=deliveries > 1,
            delivery_count=deliveries - 1,
            source=self.name,
        )

    def texts(self, raw: Entry[A], names: Sequence[str]) -> dict[str, str]:
        """Return those of the named headers whose value is a text."""
        headers = self._headers.get(raw[0]) if self._headers else None
        return texts_among(headers, names) if headers else {}

    def dispatch(self) -> None:
        """Hand out what the channels have credit for."""
        for channel in self.channels:
            channel.wake()
        for producer in self._producers:
            if not producer.done():
                producer.set_result(None)

    async def room(self, most: int) -> None:
        """Wait until fewer than `most` messages are ready."""
        while self.waiting >= most:
            woken = asyncio.get_running_loop().create_future()
            self._producers.add(woken)
            try:
                await woken
            finally:
                self._producers.discard(woken)


class MemoryChannel(Generic[A]):
    """One epoch's line to a memory broker."""

    def __init__(self, broker: MemoryBroker[A], epoch: Epoch[Entry[A]], prefetch: int) -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.open: dict[int, Entry[A]] = {}
        self._broker = broker
        self._epoch = epoch
        self._prefetch = prefetch
        self._last = 0
        self._cancelled = False
        self._scheduled = False

    def wake(self) -> None:
        """Hand out messages in the loop's next turn, as a network would."""
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._deliver)

    def _deliver(self) -> None:
        self._scheduled = False
        if self._cancelled or self.lost.done():
            return
        entries = self._broker.get(self._prefetch - len(self.open))
        if not entries:
            return
        self.open.update(zip(count(self._last + 1), entries))
        self._last += len(entries)
        self._epoch.deliver(entries)
        self._broker.watch()

    async def send(self, frames: Sequence[Frame]) -> None:
        """Take frames; an illegal one loses the channel and raises."""
        if self.lost.done():
            raise ConnectionError(f"{self._broker.name}: the channel is closed")
        for frame in frames:
            covered = self._covered(frame)
            self._broker.settle(frame.verb, list(map(self.open.pop, covered)))
        self._broker.dispatch()

    def _covered(self, frame: Frame) -> Sequence[int]:
        if frame.tag not in self.open:
            self.lose()
            raise IllegalAcknowledgement(
                f"{self._broker.name}: {frame.verb.value} of delivery tag {frame.tag}, which is not "
                "open (406 PRECONDITION_FAILED - unknown delivery tag)"
            )
        if not frame.multiple:
            return [frame.tag]
        return list(takewhile(frame.tag.__ge__, self.open))  # tags are opened in order

    def notify(self) -> None:
        """Tell the consumer that the queue was closed."""
        self._epoch.notify()

    def lose(self) -> None:
        """Break: what is not settled goes back to the queue, in its old order."""
        self._broker.put_back(self.open.values())
        self.open.clear()
        if self in self._broker.channels:
            self._broker.channels.remove(self)
        if not self.lost.done():
            self.lost.set_result(None)
        self._broker.dispatch()

    async def cancel(self) -> None:
        """Hand out nothing more."""
        self._cancelled = True

    async def close(self) -> None:
        """Close; what is not settled goes back to the queue."""
        with suppress(ValueError):
            self.lose()
