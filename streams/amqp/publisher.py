"""Publisher: publishes with confirms, many messages at a time, and outlives lost channels."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from ackflow.streams.amqp import connections, refusals
from ackflow.streams.amqp.connections import ANSWER_WITHIN
from ackflow.streams.amqp.outgoing import Outgoing, is_dead_letter, shortened
from ackflow.streams.amqp.outlet import Outlet, PublishRefused
from ackflow.streams.amqp.server import Server
from ackflow.streams.core import Message, Reject, SourceError, Unavailable

PATIENCE = 0.5
"""Seconds between looks at whether the broker blocks publishers, while a confirm is awaited."""
FIRST_WITHIN = 2.0
"""Seconds that a new channel has for its first confirm, before another is tried: doubled each time."""
CONFIRM_WITHIN = 30.0
"""Seconds without any confirm after which the broker counts as away, and after as many more it is sent
everything again, over another channel."""

Encode = Callable[[Any], Outgoing]


class Publisher:
    """Settles messages by the broker's confirms, with at most `window` of them unconfirmed.

    A channel begins with one message. A quorum queue without a leader, as right after a restart, loses
    what it is sent, never confirms it, and stops its channel once some 30 messages wait: RabbitMQ then
    answers nothing on the whole connection, a close neither.
    """

    def __init__(self, name: str, server: Server, window: int) -> None:
        self._name = name
        self._server = server
        self._window = window
        self._outlet: Outlet | None = None
        self._opening = asyncio.Lock()
        self._sending = asyncio.Lock()
        self._first_within = FIRST_WITHIN
        self._suspects: set[Message[Any]] = set()

    async def open(self, exchange: str = "") -> None:
        """Connect; raise PublishRefused where a broker refuses, Unavailable where none answers."""
        try:
            if self._outlet is None:
                self._outlet = await self._open()
            if exchange:
                await self._check(exchange)
        except refusals.Refused as error:
            raise PublishRefused(f"{self._name}: {error}") from error
        except SourceError as error:
            raise Unavailable(f"{self._name}: {error}") from error

    async def _check(self, exchange: str) -> None:
        link = await connections.join(self._server, "publishing")
        try:
            channel = await link.channel()
            with refusals.answers(f"looking for exchange {exchange!r}"):
                await channel.exchange_declare(exchange, passive=True, timeout=ANSWER_WITHIN)
            await connections.close(channel)
        finally:
            await link.leave()

    async def publish(self, messages: Sequence[Message[Any]], encode: Encode) -> None:
        """Return when every message is settled; raise Unavailable as long as that can't be."""
        while waiting := [message for message in messages if not message.settled]:
            outlet = await self._current()
            await self._send(outlet, waiting, encode)
            await self._confirmed(outlet, waiting)
            if outlet.victims or outlet.lost.done():
                await self._bury(outlet)

    async def close(self) -> None:
        """Close the channel, and the connection where it is the last."""
        outlet, self._outlet = self._outlet, None
        if outlet is not None:
            await outlet.close()

    # -- opening ----------------------------------------------------------------------------------

    async def _current(self) -> Outlet:
        async with self._opening:
            if self._outlet is not None and self._outlet.lost.done():
                await self.close()
            if self._outlet is None:
                try:
                    self._outlet = await self._open()
                except SourceError as error:
                    raise Unavailable(f"{self._name}: {error}") from error
            return self._outlet

    async def _open(self) -> Outlet:
        link = await connections.join(self._server, "publishing")
        try:
            if await link.blocked():
                raise self._blocked()
            return Outlet(link, await link.channel(confirms=True))
        except BaseException:
            await link.leave()
            raise

    # -- sending ----------------------------------------------------------------------------------

    async def _send(self, outlet: Outlet, messages: Sequence[Message[Any]], encode: Encode) -> None:
        """Send what is not under way yet, in order, as the window has room for it."""
        async with self._sending:
            if await outlet.link.blocked():
                raise self._blocked()
            for message in messages:
                if outlet.lost.done():
                    return
                if not (message.settled or message in outlet.pending):
                    await self._send_one(outlet, message, encode)

    async def _send_one(self, outlet: Outlet, message: Message[Any], encode: Encode) -> None:
        if message.stale:
            message.requeue()  # it comes again by itself; this reaches nobody
            return
        try:
            outgoing = self._fitting(outlet, message.value, encode)
        except Exception as error:
            message.fail(error)
            return
        alone = message in self._suspects
        await self._room(outlet, outgoing, alone=alone)
        if outlet.lost.done():
            return
        outlet.publish(message, outgoing)
        if alone:
            await self._confirmed(outlet, [message])
            self._suspects.discard(message)

    async def _room(self, outlet: Outlet, outgoing: Outgoing, *, alone: bool) -> None:
        """Wait until a message may be sent, or the channel is lost."""
        while not outlet.lost.done():
            window = 1 if alone or not outlet.proven else self._window
            if (namesake := outlet.namesake(outgoing)) is not None:
                await self._patiently(outlet, [namesake])
            elif len(outlet.pending) >= window:
                await self._patiently(outlet, [outlet.room()])
            else:
                return

    def _fitting(self, outlet: Outlet, value: Any, encode: Encode) -> Outgoing:
        outgoing = encode(value)
        excess = outlet.excess(outgoing)
        if excess > 0 and is_dead_letter(value):
            outgoing = encode(shortened(value, excess))
            excess = outlet.excess(outgoing)
        if excess <= 0:
            return outgoing
        size = outgoing.properties.size
        raise Reject(f"{size:,} bytes of headers don't fit into a frame, and can't be split")

    async def _confirmed(self, outlet: Outlet, messages: Sequence[Message[Any]]) -> None:
        tasks = [outlet.pending[message] for message in messages if message in outlet.pending]
        if tasks:
            await self._patiently(outlet, tasks)
        if outlet.proven:
            self._first_within = FIRST_WITHIN

    async def _patiently(self, outlet: Outlet, futures: Sequence[Awaitable[Any]]) -> None:
        """Wait for all futures or the end of the channel; raise Unavailable where it stalls."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        together: asyncio.Future[Any] = asyncio.gather(*futures, return_exceptions=True)
        if together.done():
            # From Python 3.12 on gather can be done at once, but what the futures' own callbacks do,
            # settling messages among it, is done in the loop's next turn.
            await asyncio.sleep(0)
        while not (together.done() or outlet.lost.done()):
            await asyncio.wait(
                [together, outlet.lost], timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED
            )
            if together.done() or outlet.lost.done():
                return
            if await outlet.link.blocked():
                raise self._blocked()
            within = CONFIRM_WITHIN if outlet.proven else self._first_within
            if loop.time() - began >= within:
                await self._stalled(outlet, loop.time())
                raise Unavailable(f"{self._name}: no confirm for {within:g} s")

    async def _stalled(self, outlet: Outlet, now: float) -> None:
        """Give up a channel that confirms nothing at first, or twice in a row: it may never do so."""
        if outlet is not self._outlet:
            return
        if not outlet.proven:
            self._first_within = min(2 * self._first_within, CONFIRM_WITHIN)
            await self.close()
        elif outlet.stalled is None:
            outlet.stalled = now
        elif now - outlet.stalled >= CONFIRM_WITHIN:
            await self.close()

    def _blocked(self) -> Unavailable:
        return Unavailable(f"{self._name}: the broker blocks publishers: it lacks memory or disk")

    async def _bury(self, outlet: Outlet) -> None:
        """Make of a lost channel what it means for the messages that were under way."""
        await asyncio.wait([outlet.lost], timeout=connections.CLOSE_WITHIN)
        if not outlet.lost.done():
            await self.close()
        if outlet.pending:
            await asyncio.wait(outlet.pending.values())
        victims = [message for message in outlet.victims if not message.settled]
        outlet.victims.clear()
        if not outlet.refusal:
            raise Unavailable(f"{self._name}: the connection was lost: {outlet.reason}")
        if len(victims) == 1:
            victims[0].fail(PublishRefused(outlet.refusal))
        else:
            # One of them is to blame; which one shows when they go one by one.
            self._suspects.update(victims)
