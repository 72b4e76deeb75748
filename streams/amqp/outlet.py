"""Outlet: one aiormq channel with publisher confirms, from its first message to its end."""

import asyncio
from typing import TYPE_CHECKING, Any

from ackflow.streams.amqp.connections import Link, close
from ackflow.streams.amqp.outgoing import Outgoing
from ackflow.streams.core import AckflowError, Message, describe

if TYPE_CHECKING:
    from aiormq.channel import Channel

FRAME = 22
"""Bytes around the properties in their frame: AMQP 0-9-1, section 4.2.6.1."""


class PublishRefused(AckflowError):
    """The broker refuses a message: no queue takes it, or a full one, or the exchange is missing."""


class Outlet:
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
        self.pending: dict[Message[Any], asyncio.Task[Any]] = {}
        self.link = link
        self._channel = channel
        self._ids: dict[str, asyncio.Task[Any]] = {}
        self._room: asyncio.Future[None] | None = None
        channel.closing.add_done_callback(self._ended)

    def excess(self, outgoing: Outgoing) -> int:
        """Return by how many bytes its headers exceed a frame; they can't be split, as bodies are."""
        tune = self.link.connection.connection_tune
        return outgoing.properties.size + FRAME - (tune.frame_max or 2**32)

    def namesake(self, outgoing: Outgoing) -> "asyncio.Task[Any] | None":
        """Return the unconfirmed message with the same message_id.

        aiormq finds the message that a mandatory return is for by its id alone, so two with one id
        must not be under way at once: the wrong one would count as delivered.
        """
        return self._ids.get(outgoing.properties.message_id or "")

    def publish(self, message: Message[Any], outgoing: Outgoing) -> None:
        """Send a message; it is settled when the broker has confirmed or refused it."""
        body, exchange, routing_key, properties, mandatory = outgoing
        call = self._channel.basic_publish(
            body,
            exchange=exchange,
            routing_key=routing_key,
            properties=properties,
            mandatory=mandatory,
            wait=False,
        )
        task = asyncio.create_task(call)
        self.pending[message] = task
        if properties.message_id:
            self._ids[properties.message_id] = task
        task.add_done_callback(lambda _: self._done(message, outgoing, task))

    def room(self) -> "asyncio.Future[None]":
        """Return what is done when the next message is off the list, or the channel lost."""
        if self._room is None or self._room.done():
            self._room = asyncio.get_running_loop().create_future()
        return self._room

    def _done(self, message: Message[Any], outgoing: Outgoing, task: "asyncio.Task[Any]") -> None:
        del self.pending[message]
        if self._ids.get(outgoing.properties.message_id or "") is task:
            del self._ids[outgoing.properties.message_id or ""]
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self.stalled = None
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is None:
            self.proven = True
            message.accept()
        elif isinstance(verdict := _verdict(error, outgoing), Exception):
            self.proven = True
            message.fail(verdict)
        else:
            self.victims.add(message)

    def _ended(self, closing: "asyncio.Future[Any]") -> None:
        """Let go of the publishes: aiormq's own wait for ever in a queue that nobody empties."""
        from aiormq.exceptions import ChannelClosed

        error = None if closing.cancelled() else closing.exception()
        text = str(error.args[-1] if error is not None and error.args else error)
        self.reason = text if error is None else describe(error)
        if isinstance(error, ChannelClosed) and text != "None":
            self.refusal = text
        for task in self.pending.values():
            task.cancel()
        if not self.lost.done():
            self.lost.set_result(None)

    async def close(self) -> None:
        """Close the channel; what is unconfirmed becomes a victim."""
        try:
            await close(self._channel)
            for task in self.pending.values():
                task.cancel()
        finally:
            await self.link.leave()


def _verdict(error: BaseException, outgoing: Outgoing) -> Exception | None:
    """Return what the broker holds against this message; None where the channel was lost."""
    from aiormq.exceptions import AMQPError, ChannelInvalidStateError, DeliveryError, PublishError

    where = f"exchange {outgoing.exchange!r}, routing key {outgoing.routing_key!r}"
    match error:
        case PublishError():
            said = error.args[0] if error.args else "returned"
            return PublishRefused(f"{where}: no queue takes it, the broker returned it ({said})")
        case DeliveryError():
            return PublishRefused(f"{where}: the queue refuses it (basic.nack): is it full?")
        case AMQPError() | ChannelInvalidStateError():
            return None
    # aiormq rejects what waits with a bare Exception where a connection ended without an error.
    return error if isinstance(error, Exception) and type(error) is not Exception else None
