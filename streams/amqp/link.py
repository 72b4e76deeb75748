"""Link: a connection to a broker while it lives, and what can be done with it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from ackflow.streams.amqp import refusals
from ackflow.streams.amqp.address import Address
from ackflow.streams.amqp.tapping import Tapping
from ackflow.streams.core import describe

if TYPE_CHECKING:
    from aiormq.channel import Channel
    from aiormq.connection import Connection

    from ackflow.streams.amqp.transport import Transport

ANSWER_WITHIN = 10.0
"""Seconds in which a broker answers a call, or counts as gone."""
CLOSE_WITHIN = 5.0
"""Seconds that an orderly close may take."""
MOST_UNREAD = 65_536
"""Bytes that may wait to be sent before more are written: asyncio's own high-water mark."""
FRAME_BUFFER = 256
"""Frames that aiormq reads ahead per channel: its default of 10 ends a run after 3 deliveries."""

logger = logging.getLogger("ackflow.amqp")


class Link:
    """A connection while it lives, and how many use it."""

    def __init__(
        self,
        connection: "Connection",
        address: Address,
        released: Callable[[], None],
        transport: "Transport | None" = None,
    ) -> None:
        self.connection = connection
        self.address = address
        self._transport = transport
        self.users = 0
        self._released = released
        self._number = 0
        self._closing: asyncio.Task[None] | None = None

    @property
    def open(self) -> bool:
        """Whether it can be used."""
        return self._closing is None and not self.connection.is_closed

    async def channel(self, *, confirms: bool = False) -> "Channel":
        """Open a channel under a number that was not used lately.

        A number that is used again while aiormq still has the old channel's CloseOk to send costs the
        whole connection (504).
        """
        limit = self.connection.connection_tune.channel_max or 65_535
        for _ in range(limit):
            self._number = self._number % limit + 1
            if self._number not in self.connection.channels:
                break
        else:
            raise refusals.Refused(f"{self.address}: all {limit:,} channels are in use")
        with refusals.answers(f"{self.address}: opening a channel"):
            async with asyncio.timeout(ANSWER_WITHIN):
                channel: Any = await self.connection.channel(
                    self._number, publisher_confirms=confirms, frame_buffer_size=FRAME_BUFFER
                )
        opened: Channel = channel
        return opened

    # -- past aiormq ------------------------------------------------------------------------------

    @property
    def wired(self) -> bool:
        """Whether frames can be taken off it and written to it past aiormq: the four calls below."""
        return self._transport is not None

    def tap(self, channel: "Channel", tap: Tapping) -> None:
        """Have a tap take from the frames of a channel what is not for aiormq."""
        self._past().wire.tap(channel.number, tap, self.frame_max)

    def write(self, frames: bytes) -> None:
        """Write whole frames; those of content with all that belongs to it.

        Raises ConnectionError once aiormq has closed the connection: a RuntimeError of asyncio's, where
        its end was sent already.
        """
        writer = self._past().writer
        if writer.is_closing():
            raise ConnectionError(f"{self.address}: the connection is closed")
        writer.write(frames)

    @property
    def writable(self) -> bool:
        """Whether the broker has taken in nearly all that was written."""
        return self._past().writer.transport.get_write_buffer_size() <= MOST_UNREAD

    async def drain(self) -> None:
        """Wait until it has."""
        await self._past().writer.drain()

    def _past(self) -> "Transport":
        assert self._transport is not None
        return self._transport

    # ---------------------------------------------------------------------------------------------

    @property
    def frame_max(self) -> int:
        """Bytes of a frame at most, as was agreed; 0 where nothing was."""
        return self.connection.connection_tune.frame_max or 0

    async def blocked(self) -> bool:
        """Say whether the broker blocks those who publish; if not, `ready` returns at once."""
        try:
            async with asyncio.timeout(0):
                await self.connection.ready()
        except TimeoutError:
            return True
        return False

    async def leave(self) -> None:
        """Use it no more; the last one to leave closes it."""
        self.users -= 1
        self._released()
        if self.users <= 0 and self._closing is None:
            self._closing = asyncio.create_task(close(self.connection))
        if self._closing is not None:
            await asyncio.shield(self._closing)


async def close(resource: "Connection | Channel") -> None:
    """Close a connection or channel in an orderly way, without ever waiting for long."""
    await shortly(resource.close())


async def shortly(call: Awaitable[Any]) -> None:
    """Wait for the end of something that is over, however it ends, but not for long."""
    task = asyncio.ensure_future(call)
    await asyncio.wait([task], timeout=CLOSE_WITHIN)
    if not task.done():
        task.cancel()
    elif not task.cancelled() and (error := task.exception()) is not None:
        reason = describe(error)
        logger.debug("closing: %s", reason, extra={"event": "closing", "reason": reason})
