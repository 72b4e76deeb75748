"""Queues in memory: for tests, for notebooks, and for stages of one process."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from ackflow.streams.core import (
    PERMANENT,
    FailurePolicy,
    Feed,
    Session,
    Source,
    Stream,
    Wait,
    check_prefetch,
    exponential,
)
from ackflow.streams.memory.broker import Entry, MemoryBroker

A = TypeVar("A")

__all__ = ["MemoryQueue", "queue"]


class MemoryQueue(Stream[A]):
    """A stream whose messages are in a queue in memory, with everything a broker knows of them."""

    def __init__(self, source: "MemorySource") -> None:
        super().__init__(source)
        self._broker = source.broker

    def put(self, *values: A) -> None:
        """Append messages.

        Example:
            queue.put("a", "b")

        Raises RuntimeError after `close`.
        """
        if self._broker.closed:
            raise RuntimeError("queue.put(): the queue is closed; put before close()")
        self._broker.put(values)
        self._broker.dispatch()

    async def room(self, most: int = 10_000) -> None:
        """Wait until fewer than `most` messages are ready, so that a producer doesn't run ahead."""
        await self._broker.room(most)

    def close(self) -> None:
        """Let the stream end once every message is settled."""
        self._broker.closed = True
        self._broker.dispatch()
        for channel in self._broker.channels:
            channel.notify()

    def disconnect(self) -> None:
        """Break the connection: what is not settled is handed out again over a new one."""
        for channel in list(self._broker.channels):
            channel.lose()

    @property
    def acked(self) -> list[A]:
        """The values acked so far, in the order of the acks."""
        return self._broker.acked

    @property
    def rejected(self) -> list[A]:
        """The values rejected for good so far."""
        return self._broker.rejected

    @property
    def requeued(self) -> list[A]:
        """The values that went back to the queue so far."""
        return self._broker.requeued

    @property
    def unsettled(self) -> list[A]:
        """The values handed out and not settled."""
        return [entry.value for entry in self._broker.unsettled]

    @property
    def ready(self) -> list[A]:
        """The values that wait to be handed out."""
        return self._broker.ready


class MemorySource(Source):
    """A queue in memory as a source."""

    name = "memory.queue"
    bounded = True

    def __init__(
        self,
        values: Iterable[Any],
        prefetch: int | None,
        policy: FailurePolicy,
        until_idle: float | None,
    ) -> None:
        self.broker: MemoryBroker[Any] = MemoryBroker(values)
        self.prefetch = prefetch
        self.policy = policy
        self.until_idle = until_idle

    @property
    def settings(self) -> dict[str, Any]:
        return {} if self.prefetch is None else {"prefetch": self.prefetch}

    def inlet(self, session: Session, prefetch: int) -> Feed[Any, Entry[Any]]:
        self.broker.prefetch = prefetch
        return Feed(
            session,
            self.broker,
            self.policy,
            value=lambda entry: entry.value,
            prefetch=prefetch,
            until_idle=self.until_idle,
        )


def queue(
    values: Iterable[A] = (),
    *,
    prefetch: int | None = None,
    attempts: int = 5,
    wait: Wait | None = None,
    permanent: Sequence[type[Exception]] = PERMANENT,
    dead_letter: Any = None,
    until_idle: float | None = None,
) -> MemoryQueue[A]:
    """Make a queue in memory that behaves as one on a broker does.

    Example:
        queue = streams.memory.queue(["1", "x", "3"], dead_letter=(dead := sinks.to_list()))
        queue.close()
        await (queue | op.map(int) | sinks.to_list())    # [1, 3]
        queue.acked                                      # ['1', '3', 'x']

    Acks: as on a broker; `.acked`, `.rejected`, `.requeued` and `.unsettled` list the values.
    `prefetch`: messages handed out and not settled, 1 to 65,535, derived from the pipeline where it is
    None. `attempts`, `wait`, `permanent`, `dead_letter`: the failure policy. `until_idle`: seconds
    without a message after which the stream ends. The stream also ends after `close()`.
    Raises ValueError or TypeError for settings that can't be meant.
    """
    check_prefetch("memory.queue", prefetch)
    policy = FailurePolicy(attempts, wait or exponential(), permanent, dead_letter)
    return MemoryQueue(MemorySource(values, prefetch, policy, until_idle))
