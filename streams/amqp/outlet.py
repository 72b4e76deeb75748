"""Outlet: one channel with publisher confirms, from its first message to its end."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ackflow.streams.amqp.link import Link, close
from ackflow.streams.amqp.outgoing import Outgoing
from ackflow.streams.amqp.window import Window
from ackflow.streams.amqp.wire import LARGEST_FRAME
from ackflow.streams.core import AckflowError, Message, describe

if TYPE_CHECKING:
    from aiormq.channel import Channel

FRAME = 22
"""Bytes around the properties in their frame: AMQP 0-9-1, section 4.2.6.1."""
LONGEST_ID = 33
"""Bytes of a message_id that is given to what has none."""


class PublishRefused(AckflowError):
    """The broker refuses a message: no queue takes it, or a full one, or the exchange is missing."""


class Outlet(ABC):
    """Publishes messages and settles each by the broker's own verdict on it.

    What was neither confirmed nor refused when the channel ends is in `victims`, unsettled.
    """

    def __init__(self, link: Link, channel: "Channel") -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.reason = ""
        """Why the channel was lost."""
        self.refusal = ""
        """What the broker said where one of the messages was to blame for that."""
        self.stalled: float | None = None
        """Since when, in loop time, nothing was confirmed although that was waited for."""
        self.proven = False
        """Whether the broker has said of any message what became of it."""
        self.victims: set[Message[Any]] = set()
        self.pending: dict[Message[Any], asyncio.Future[Any]] = {}
        """What is under way, and what is done when that is no longer so."""
        self.window = Window()
        """How many messages may be under way."""
        self.bytes = 0
        """Bytes that are under way, about."""
        self.unsent = 0
        """Bytes that were added and not sent."""
        self.link = link
        self._loop = asyncio.get_running_loop()
        self._channel = channel
        self._most_properties = (link.frame_max or LARGEST_FRAME) - FRAME - LONGEST_ID
        self._ids: set[str] = set()
        self._room: asyncio.Future[None] | None = None
        channel.closing.add_done_callback(self._ended)

    # -- sending ----------------------------------------------------------------------------------

    @abstractmethod
    def add(self, message: Message[Any], outgoing: Outgoing) -> None:
        """Send a message, at the latest by `flush`; it is settled by the broker's verdict.

        Raises ValueError for one that can't be sent.
        """

    @abstractmethod
    def flush(self) -> "asyncio.Future[Any] | None":
        """Send what was added; return what is done when more may be sent, None where that is now."""

    def excess(self, outgoing: Outgoing) -> int:
        """Return by how many bytes its headers exceed a frame; they can't be split, as bodies are."""
        return len(outgoing.properties.encoded) - self._most_properties

    def has_namesake(self, outgoing: Outgoing) -> bool:
        """Say whether a message with the same message_id is under way.

        What the broker returns is known by its id alone, so two with one id must not be under way at
        once: the wrong one would count as delivered.
        """
        return outgoing.properties.message_id in self._ids

    def room(self) -> "asyncio.Future[None]":
        """Return what is done when the next message is off the list, or the channel lost."""
        if self._room is None or self._room.done():
            self._room = self._loop.create_future()
        return self._room

    # -- what became of it ------------------------------------------------------------------------

    def _put(self, message: Message[Any], outgoing: Outgoing, done: "asyncio.Future[Any]") -> None:
        """Put a message on the list."""
        self.pending[message] = done
        self.window.sent(message, self._loop.time())
        self.bytes += outgoing.size
        if outgoing.properties.message_id:
            self._ids.add(outgoing.properties.message_id)

    def _off(self, sent: Iterable[tuple[Message[Any], Outgoing]]) -> None:
        """Take messages off the list."""
        before = len(self.pending)
        for message, outgoing in sent:
            del self.pending[message]
            self.bytes -= outgoing.size
            if outgoing.properties.message_id:
                self._ids.discard(outgoing.properties.message_id)
        self.window.confirmed(before - len(self.pending), self.pending, self._loop.time())
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    # -- the end ----------------------------------------------------------------------------------

    @abstractmethod
    def _abandon(self) -> None:
        """Make victims of what is under way."""

    def _lose(self, reason: str, refusal: str = "") -> None:
        """Let go of everything, once."""
        if not self.lost.done():
            self.reason, self.refusal = reason, refusal
            self.lost.set_result(None)
            self._abandon()

    def _ended(self, closing: "asyncio.Future[Any]") -> None:
        from aiormq.exceptions import ChannelClosed

        error = None if closing.cancelled() else closing.exception()
        text = str(error.args[-1] if error is not None and error.args else error)
        refused = isinstance(error, ChannelClosed) and text != "None"
        self._lose(text if error is None else describe(error), text if refused else "")

    async def close(self) -> None:
        """Close the channel; what is unconfirmed becomes a victim."""
        try:
            await close(self._channel)
            self._abandon()
        finally:
            await self.link.leave()


def returned(outgoing: Outgoing, said: str) -> PublishRefused:
    """Return the failure of a message that came back."""
    return PublishRefused(f"{_where(outgoing)}: no queue takes it, the broker returned it ({said})")


def refused(outgoing: Outgoing) -> PublishRefused:
    """Return the failure of a message that got basic.nack."""
    return PublishRefused(f"{_where(outgoing)}: the queue refuses it (basic.nack): is it full?")


def _where(outgoing: Outgoing) -> str:
    return f"exchange {outgoing.exchange!r}, routing key {outgoing.routing_key!r}"
