"""Wired: an outlet that writes whole runs of messages and reads their confirms off the wire."""

import asyncio
import logging
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ackflow.streams.amqp.encoder import Encoder
from ackflow.streams.amqp.link import CLOSE_WITHIN, Link
from ackflow.streams.amqp.outgoing import Outgoing
from ackflow.streams.amqp.outlet import Outlet, refused, returned
from ackflow.streams.amqp.unconfirmed import Sent, Unconfirmed
from ackflow.streams.amqp.verdicts import Refused, Verdicts
from ackflow.streams.core import Message, describe

if TYPE_CHECKING:
    from aiormq.channel import Channel

logger = logging.getLogger("ackflow.amqp")


class Batch(asyncio.Future[None]):
    """Is done when none of the messages that were sent together is under way."""

    left = 0


class WiredOutlet(Outlet):
    """Publishes in runs on a channel of whose messages and confirms aiormq knows nothing.

    A mandatory message without a message_id gets one, by which it is known when it comes back. Only
    whole frames are written, all of a message at once, so aiormq may write its own in between.
    """

    def __init__(self, link: Link, channel: "Channel") -> None:
        super().__init__(link, channel)
        self._encoder = Encoder(channel.number, link.frame_max)
        self._unconfirmed = Unconfirmed()
        self._parts: list[bytes] = []
        self._batch = Batch()
        self._id = secrets.token_hex(8).encode()
        self._draining: asyncio.Task[None] | None = None
        link.tap(channel, Verdicts(self._unconfirmed, self._settle, self._closed))

    # -- sending ----------------------------------------------------------------------------------

    def add(self, message: Message[Any], outgoing: Outgoing) -> None:
        given, own = outgoing.properties.message_id, b""
        if outgoing.mandatory and not given:
            own = b"%s%016x" % (self._id, self._unconfirmed.last + 1)
        self._parts += self._encoder.encode(outgoing, own)
        self.unsent += outgoing.size
        known = own or (given.encode() if given else b"")
        self._unconfirmed.add((message, outgoing, known))
        self._put(message, outgoing, self._batch)
        self._batch.left += 1

    def flush(self) -> "asyncio.Future[Any] | None":
        if self._parts and not self.lost.done():
            with suppress(ConnectionError):  # `lost` is about to tell of its end
                self.link.write(b"".join(self._parts))
        self._parts.clear()
        self.unsent = 0
        self._batch = Batch()
        if self.link.writable:
            return None
        if self._draining is None or self._draining.done():
            self._draining = asyncio.create_task(self.link.drain())
            self._draining.add_done_callback(lambda done: done.cancelled() or done.exception())
        return self._draining

    # -- what became of it ------------------------------------------------------------------------

    def _settle(self, taken: list[Sent], not_taken: list[Refused]) -> None:
        """Settle what the broker has decided on. An exception here would be the connection's end."""
        self.proven, self.stalled = True, None
        try:
            Message.accept_all([message for message, _, _ in taken if not message.settled])
            for (message, outgoing, _), said in not_taken:
                if not message.settled:
                    message.fail(returned(outgoing, said) if said else refused(outgoing))
        except Exception as error:
            logger.exception(
                "published messages could not be settled", extra={"event": "confirms_failed"}
            )
            self._lose(describe(error))
        self._take_off([*taken, *(sent for sent, _ in not_taken)])

    def _take_off(self, sent: list[Sent]) -> None:
        for message, _, _ in sent:
            batch = self.pending[message]
            assert isinstance(batch, Batch)
            batch.left -= 1
            if not batch.left:
                batch.set_result(None)
        self._off((message, outgoing) for message, outgoing, _ in sent)

    # -- the end ----------------------------------------------------------------------------------

    def _closed(self, said: str) -> None:
        """Write nothing more: to a channel that the broker closed it would cost the connection (504)."""
        self._lose(said or "the channel was closed", said)

    def _abandon(self) -> None:
        rest = self._unconfirmed.rest()
        self.victims.update(message for message, _, _ in rest)
        self._take_off(rest)
        if self._draining is not None:
            self._draining.cancel()

    async def close(self) -> None:
        if self.lost.done():
            # What the broker has closed must not be closed by aiormq, which may not know it yet.
            await asyncio.wait([self._channel.closing], timeout=CLOSE_WITHIN)
        await super().close()
