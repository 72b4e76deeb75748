"""Publishing: what sinks that publish have in common."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from ackflow.streams.amqp.outgoing import Outgoing
from ackflow.streams.amqp.publisher import Publisher
from ackflow.streams.amqp.server import Server
from ackflow.streams.amqp.window import MOST
from ackflow.streams.core import Message, Sink, Summary, apart

A = TypeVar("A")

Headers = Mapping[str, str]
NO_HEADERS: Headers = {}

WRITES = 8
"""Writes in flight, so that the window stays full while some wait for their last confirm."""


class Publishing(Sink[A, Summary]):
    """Publishes elements, or the members of chunks, and accepts each once it is confirmed."""

    concurrency = WRITES
    idempotent = False

    def __init__(self, server: Server, *, exchange: str = "", window: int | None = None) -> None:
        self.server = server
        self.exchange = exchange
        self.window = window
        self.max_items = max(1, (window or MOST) // WRITES)
        self._publisher: Publisher | None = None

    @abstractmethod
    def encode(self, value: Any, trace: Headers = NO_HEADERS) -> Outgoing:
        """Return what is to be published; an exception is that message's failure.

        `trace`: headers by which it belongs to the trace of what it was made of.
        """

    @property
    def trace_attributes(self) -> dict[str, str | int]:
        """What spans say of its writes."""
        operation = {"messaging.operation.name": "send", "messaging.operation.type": "send"}
        place = {"messaging.destination.name": self.destination} if self.destination else {}
        return {**self.server.trace_attributes, **operation, **place}

    @property
    def destination(self) -> str:
        """Where all its messages go, as far as that is the same for all."""
        return self.exchange

    async def open(self) -> None:
        """Connect, and check that the exchange exists."""
        if self._publisher is None:
            self._publisher = Publisher(self.name, self.server, self.window)
        await self._publisher.open(self.exchange)

    async def write_messages(self, messages: Sequence[Message[Any]]) -> None:
        """Publish what is not settled yet; settle each message by the broker's verdict on it."""
        assert self._publisher is not None
        await self._publisher.publish(apart(messages), self.encode)

    async def close(self) -> None:
        """Close the channel."""
        if self._publisher is not None:
            await self._publisher.close()
