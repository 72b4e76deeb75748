"""A broker in memory, with the semantics of AMQP 0-9-1: tags, prefetch, redelivery, multiple acks.

An ack for a tag that is not open closes the channel and raises, as a server's 406 does.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from heapq import heappop, heappush
from itertools import count
from typing import Generic, Literal, NamedTuple, TypeVar

from ackflow.streams.core import Delivery, Epoch, Frame, IllegalAcknowledgement, Verb

A = TypeVar("A")


class Settlement(NamedTuple, Generic[A]):
    """What became of one message that was handed out."""

    verb: Literal["acked", "rejected", "requeued"]
    value: A


class Entry(Generic[A]):
    """One message in a queue: its value, how often it was handed out, how often it failed."""

    __slots__ = ("deliveries", "headers", "number", "value")

    def __init__(self, number: int, value: A) -> None:
        self.number = number
        self.value = value
        self.deliveries = 0
        self.headers: dict[str, object] = {}


class MemoryBroker(Generic[A]):
    """One queue, its messages, and the channels that consume it."""

    name = "memory.queue"
    start_timeout = 10.0
    patience: float | None = None

    def __init__(self, values: Iterable[A], *, history: bool = True) -> None:
        """`history`: keep what becomes of values, in lists that only grow."""
        self._history = history
        self._numbers = count()
        self._ready: list[tuple[int, Entry[A]]] = []
        self.acked: list[A] = []
        self.rejected: list[A] = []
        self.requeued: list[A] = []
        self.settlements: list[Settlement[A]] = []
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

    def put(self, values: Iterable[A]) -> None:
        """Append messages."""
        entries = map(Entry[A], self._numbers, values)
        self._ready.extend((entry.number, entry) for entry in entries)

    def get(self, most: int) -> list[Entry[A]]:
        """Take out the first messages that are ready, unless the broker pauses."""
        if self._pausing is asyncio.get_running_loop():
            return []
        return [heappop(self._ready)[1] for _ in range(min(most, len(self._ready)))]

    def put_back(self, entry: Entry[A]) -> None:
        """Return a message to its old position, as RabbitMQ does where it can."""
        if self._history:
            self.requeued.append(entry.value)
            self.settlements.append(Settlement("requeued", entry.value))
        heappush(self._ready, (entry.number, entry))

    def let_go(self, verb: Verb, entry: Entry[A]) -> None:
        """Forget a message that was acked or rejected, but for the history."""
        if not self._history:
            return
        acked = verb is Verb.ACK
        (self.acked if acked else self.rejected).append(entry.value)
        self.settlements.append(Settlement("acked" if acked else "rejected", entry.value))

    @property
    def ready(self) -> list[A]:
        """The values that wait to be handed out."""
        return [entry.value for _, entry in sorted(self._ready)]

    @property
    def untouched(self) -> bool:
        """Whether some message has never been handed out."""
        return any(entry.deliveries == 0 for _, entry in self._ready)

    @property
    def unsettled(self) -> list[Entry[A]]:
        """The messages handed out and not settled."""
        return [entry for channel in self.channels for entry in channel.open.values()]

    @property
    def ended(self) -> bool:
        """Whether no message will come any more."""
        return self.closed and not self._ready

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
        return Delivery(
            raw.value,
            headers=raw.headers,
            routing_key=self.name,
            redelivered=raw.deliveries > 1,
            delivery_count=raw.deliveries - 1,
            source=self.name,
        )

    def dispatch(self) -> None:
        """Hand out what the channels have credit for."""
        for channel in self.channels:
            channel.wake()
        for producer in self._producers:
            if not producer.done():
                producer.set_result(None)

    async def room(self, most: int) -> None:
        """Wait until fewer than `most` messages are ready."""
        while len(self._ready) >= most:
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
        for entry in entries:
            entry.deliveries += 1
        self.open.update(zip(count(self._last + 1), entries))
        self._last += len(entries)
        self._epoch.deliver(entries)
        self._broker.watch()

    async def send(self, frames: Sequence[Frame]) -> None:
        """Take frames; an illegal one loses the channel and raises."""
        if self.lost.done():
            raise ConnectionError(f"{self._broker.name}: the channel is closed")
        for frame in frames:
            for tag in self._covered(frame):
                self._settle(frame.verb, self.open.pop(tag))
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
        return [tag for tag in self.open if tag <= frame.tag]

    def _settle(self, verb: Verb, entry: Entry[A]) -> None:
        if verb in (Verb.ACK, Verb.REJECT):
            self._broker.let_go(verb, entry)
        else:
            self._broker.put_back(entry)

    def notify(self) -> None:
        """Tell the consumer that the queue was closed."""
        self._epoch.notify()

    def lose(self) -> None:
        """Break: what is not settled goes back to the queue, in its old order."""
        for entry in self.open.values():
            self._broker.put_back(entry)
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
