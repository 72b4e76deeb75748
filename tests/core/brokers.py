"""A queue in memory as brokers on a network are: with properties, headers and a retry queue."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from ackflow.streams.core import Delivery, FailurePolicy, Feed, Session, Sink, Stream, Summary
from ackflow.streams.memory import MemorySource
from ackflow.streams.memory.broker import Entry


@dataclass
class Properties:
    """What comes with each value: the same for all."""

    properties: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, Any] = field(default_factory=dict)


class RetrySource(MemorySource):
    """A queue in memory with a retry queue, whose deliveries have properties and headers."""

    def __init__(
        self,
        values: Iterable[Any],
        policy: FailurePolicy,
        retry: Any,
        prefetch: int,
        told: Properties,
    ) -> None:
        super().__init__(values, prefetch, policy, None, history=True)
        self.retry = retry
        describe = self.broker.describe

        def described(raw: Entry[Any]) -> Delivery:
            plain = describe(raw)
            return Delivery(plain.body, told.properties, told.headers, source=plain.source)

        self.broker.describe = described  # type: ignore[method-assign]
        self.feeds: list[Feed[Any, Any]] = []

    def inlet(self, session: Session, prefetch: int) -> Feed[Any, Entry[Any]]:
        feed: Feed[Any, Entry[Any]] = Feed(
            session,
            self.broker,
            self.policy,
            value=itemgetter(1),
            prefetch=prefetch,
            retry=self.retry,
        )
        self.broker.prefetch = prefetch
        self.feeds.append(feed)
        return feed


class RetryQueue(Sink[Delivery, Summary]):
    """Keeps what is to come back later, and refuses it while `error` is set."""

    name = "retry queue"

    def __init__(self, error: Exception | None = None) -> None:
        self.letters: list[Delivery] = []
        self.events: list[str] = []
        self.error = error

    async def open(self) -> None:
        self.events.append("open")

    async def write(self, items: Sequence[Delivery]) -> None:
        if self.error is not None:
            raise self.error
        self.letters += items

    async def close(self) -> None:
        self.events.append("close")


def queue(
    values: Iterable[Any],
    retry: Any = None,
    *,
    prefetch: int = 4,
    told: Properties | None = None,
    open_ended: bool = False,
    **policy: Any,
) -> tuple[Stream[Any], RetrySource]:
    """A queue as a stream, and its source; it ends unless it is `open_ended`."""
    source = RetrySource(values, FailurePolicy(**policy), retry, prefetch, told or Properties())
    source.broker.closed = not open_ended
    return Stream(source), source
