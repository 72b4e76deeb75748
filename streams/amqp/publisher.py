"""Publisher: publishes with confirms, many messages at a time, and outlives lost channels."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from functools import partial
from typing import Any

from ackflow.streams.amqp import connections, refusals
from ackflow.streams.amqp.link import ANSWER_WITHIN, CLOSE_WITHIN, close
from ackflow.streams.amqp.outgoing import Outgoing, is_dead_letter, shortened
from ackflow.streams.amqp.outlet import Outlet, PublishRefused
from ackflow.streams.amqp.plain import PlainOutlet
from ackflow.streams.amqp.server import Server
from ackflow.streams.amqp.window import Window
from ackflow.streams.amqp.wired import WiredOutlet
from ackflow.streams.core import Message, Reject, SourceError, Unavailable

PATIENCE = 0.5
"""Seconds between looks at whether the broker blocks publishers, while a confirm is awaited."""
FIRST_WITHIN = 2.0
"""Seconds that a new channel has for its first confirm, before another is tried: doubled each time."""
CONFIRM_WITHIN = 30.0
"""Seconds without any confirm after which the broker counts as away, and after as many more it is sent
everything again, over another channel."""
MOST_BYTES = 16 * 2**20
"""Bytes after which nothing more is sent before some of them are confirmed."""
MOST_UNSENT = 65_536
"""Bytes that are put together before they are written and the loop turns."""

Encode = Callable[..., Outgoing]
"""Encodes a value; with `trace`, headers by which it belongs to a trace."""


class Publisher:
    """Settles messages by the broker's confirms, with at most a window of them unconfirmed.

    A channel begins with one message. A quorum queue without a leader, as right after a restart, loses
    what it is sent, never confirms it, and stops its channel once some 30 messages wait: RabbitMQ then
    answers nothing on the whole connection, a close neither.
    """

    def __init__(self, name: str, server: Server, window: int | None) -> None:
        """`window`: how many, where it is not to follow the line."""
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
            await close(channel)
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
                self._outlet.window = Window(self._window)
            return self._outlet

    async def _open(self) -> Outlet:
        link = await connections.join(self._server, "publishing")
        try:
            if await link.blocked():
                raise self._blocked()
            if not link.wired:
                return PlainOutlet(link, await link.channel(confirms=True))
            channel = await link.channel()
            with refusals.answers("asking for publisher confirms"):
                await channel.confirm_delivery(timeout=ANSWER_WITHIN)
            return WiredOutlet(link, channel)
        except BaseException:
            await link.leave()
            raise

    # -- sending ----------------------------------------------------------------------------------

    async def _send(self, outlet: Outlet, messages: Sequence[Message[Any]], encode: Encode) -> None:
        """Send what is not under way yet, in order, as there is room for it."""
        async with self._sending:
            if await outlet.link.blocked():
                raise self._blocked()
            for message, outgoing in self._outgoing(outlet, messages, encode):
                alone = message in self._suspects
                if not self._has_room(outlet, outgoing, alone):
                    await self._room(outlet, outgoing, alone)
                if outlet.lost.done():
                    return
                try:
                    outlet.add(message, outgoing)
                except ValueError as error:
                    message.fail(error)
                if alone:
                    await self._flushed(outlet)
                    await self._confirmed(outlet, [message])
                    self._suspects.discard(message)
                elif outlet.unsent >= MOST_UNSENT:
                    await self._flushed(outlet)
                    await asyncio.sleep(0)
            await self._flushed(outlet)

    def _outgoing(
        self, outlet: Outlet, messages: Sequence[Message[Any]], encode: Encode
    ) -> Iterator[tuple[Message[Any], Outgoing]]:
        """Yield what is to be sent, encoded."""
        for message in messages:
            if message.settled or message in outlet.pending:
                continue
            if message.stale:
                message.requeue()  # it comes again by itself; this reaches nobody
                continue
            try:
                outgoing = self._fitting(outlet, message, encode)
            except Exception as error:
                message.fail(error)
            else:
                yield message, outgoing

    def _has_room(self, outlet: Outlet, outgoing: Outgoing, alone: bool) -> bool:
        """Say whether a message may be under way with those that are."""
        window = 1 if alone or not outlet.proven else outlet.window.limit
        return (
            len(outlet.pending) < window
            and outlet.bytes < MOST_BYTES
            and not outlet.has_namesake(outgoing)
        )

    async def _room(self, outlet: Outlet, outgoing: Outgoing, alone: bool) -> None:
        """Wait until a message may be sent, or the channel is lost."""
        await self._flushed(outlet)
        while not (self._has_room(outlet, outgoing, alone) or outlet.lost.done()):
            await self._patiently(outlet, [outlet.room()])

    async def _flushed(self, outlet: Outlet) -> None:
        """Send what was added, and wait until the broker has read most of it."""
        if (taking := outlet.flush()) is not None:
            await self._patiently(outlet, [taking])

    def _fitting(self, outlet: Outlet, message: Message[Any], encode: Encode) -> Outgoing:
        value = message.value
        if trace := message.trace_headers:
            encode = partial(encode, trace=trace)
        outgoing = encode(value)
        excess = outlet.excess(outgoing)
        if excess > 0 and is_dead_letter(value):
            outgoing = encode(shortened(value, excess))
            excess = outlet.excess(outgoing)
        if excess <= 0:
            return outgoing
        size = len(outgoing.properties.encoded)
        raise Reject(f"{size:,} bytes of headers don't fit into a frame, and can't be split")

    async def _confirmed(self, outlet: Outlet, messages: Sequence[Message[Any]]) -> None:
        pending = outlet.pending
        futures = {pending[message] for message in messages if message in pending}
        if futures:
            await self._patiently(outlet, futures)
        if outlet.proven:
            self._first_within = FIRST_WITHIN

    async def _patiently(self, outlet: Outlet, futures: Collection[Awaitable[Any]]) -> None:
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
        await asyncio.wait([outlet.lost], timeout=CLOSE_WITHIN)
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
