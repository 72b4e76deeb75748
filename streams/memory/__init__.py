"""Queues in memory: for tests, for notebooks, and for stages of one process."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, TypeVar

from ackflow.streams.core import (
    PERMANENT,
    FailurePolicy,
    Feed,
    Session,
    Source,
    Stream,
    Wait,
    check_count,
    check_duration,
    check_flag,
    check_prefetch,
    check_seconds,
    exponential,
    shown,
)
from ackflow.streams.memory.broker import Entry, MemoryBroker, Settlement

A = TypeVar("A")

__all__ = ["MemoryQueue", "Settlement", "queue"]


class MemoryQueue(Stream[A]):
    """A stream whose messages are in a queue in memory, with everything a broker knows of them."""

    def __init__(self, source: "MemorySource") -> None:
        super().__init__(source)
        self._broker = source.broker

    def put(self, *values: A, headers: Mapping[str, Any] | None = None) -> None:
        """Append messages; all of them have the headers, where there are any.

        Example:
            queue.put("a", "b", headers={"lang": "pt"})

        Raises RuntimeError after `close`.
        """
        if self._broker.closed:
            raise RuntimeError("queue.put(): the queue is closed; put before close()")
        self._broker.put(values, headers)
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
        """Break the connection: what is not settled is handed out again over a new one.

        Acks: what was under way settles nothing any more; it counts as requeued, and comes again.
        """
        for channel in list(self._broker.channels):
            channel.lose()

    def pause(self, seconds: float) -> None:
        """Hand out nothing for `seconds` from now on; a later call replaces it.

        Acks: go on; what is handed out and not settled stays so, and can be settled meanwhile.
        Raises ValueError where `seconds` is no time, RuntimeError outside a running loop.
        """
        way_out = "put nothing in where nothing is to be handed out"
        check_duration("queue.pause(seconds)", seconds, way_out)
        self._broker.pause(seconds)

    def fail(self, error: Exception, times: int = 1) -> None:
        """Have the next `times` attempts to connect fail with `error`, as a broker that is away.

        Example:
            queue.disconnect()
            queue.fail(SourceError("the broker restarts"), times=3)

        Acks: nothing changes for what is handed out; a connection that is open stays so. A first
        connection is tried for 10 s, a later one for ever; an error that is no outage (no OSError, no
        SourceError, no Unavailable) ends the run at once.
        Raises ValueError where `times` is below 1, TypeError where `error` is no exception.
        """
        if not isinstance(error, Exception):
            raise TypeError(
                f"queue.fail(error): must be an exception, got {shown(error)}; "
                'SourceError("away") is one'
            )
        check_count("queue.fail(times)", times, 1, "leave it out for 1")
        self._broker.fail(error, times)

    def watch(self, watcher: Callable[[], object]) -> None:
        """Call `watcher` whenever somebody tries to connect, and whenever messages were handed out."""
        self._broker.watchers.append(watcher)

    @property
    def untouched(self) -> bool:
        """Whether some message has never been handed out."""
        return self._broker.untouched

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
    def settlements(self) -> "list[Settlement[A]]":
        """What became of the values handed out, in the order in which the broker heard of it.

        Pairs of "acked", "rejected" or "requeued" and the value. What an end of the connection gave
        back is in it as requeued, and a value that came again once for each time.
        """
        return self._broker.settlements

    @property
    def channels(self) -> int:
        """How many channels are open: 0 after a run, whatever its end."""
        return len(self._broker.channels)

    @property
    def unsettled(self) -> list[A]:
        """The values handed out and not settled."""
        return self._broker.unsettled

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
        *,
        history: bool,
    ) -> None:
        self.broker: MemoryBroker[Any] = MemoryBroker(values, history=history)
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
            value=itemgetter(1),
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
    history: bool = True,
) -> MemoryQueue[A]:
    """Make a queue in memory that behaves as one on a broker does.

    Example:
        queue = streams.memory.queue(["1", "x", "3"], dead_letter=(dead := sinks.to_list()))
        queue.close()
        await (queue | op.map(int) | sinks.to_list())    # [1, 3]
        sorted(queue.acked)                              # ['1', '3', 'x']

    Acks: as on a broker; `.acked`, `.rejected`, `.requeued` and `.unsettled` list the values.
    `prefetch`: messages handed out and not settled, 1 to 65,535, derived from the pipeline where it is
    None. `attempts`, `wait`, `permanent`, `dead_letter`: the failure policy. `until_idle`: seconds
    without a message after which the stream ends. The stream also ends after `close()`.
    `history`: False keeps `.acked`, `.rejected`, `.requeued` and `.settlements` empty, for a queue that
    runs for long: they only grow.
    Raises ValueError or TypeError for settings that can't be meant.
    """
    call = "streams.memory.queue"
    if not isinstance(values, Iterable):
        raise TypeError(
            f"{call}(values): must be an iterable, got {shown(values)}; [value] makes a queue of one"
        )
    check_prefetch(call, prefetch)
    check_seconds(f"{call}(until_idle)", until_idle)
    check_flag(f"{call}(history)", history)
    wait = exponential() if wait is None else wait
    policy = FailurePolicy(attempts, wait, permanent, dead_letter, call=call)
    return MemoryQueue(MemorySource(values, prefetch, policy, until_idle, history=history))
