"""Connections: one for consuming and one for publishing per loop and server, shared by their users.

Two, because a broker short of memory reads nothing more from a connection that publishes, acks on it
included: https://www.rabbitmq.com/docs/alarms
"""

import asyncio
import logging
from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote
from weakref import WeakKeyDictionary

from ackflow.streams.amqp import choice, refusals
from ackflow.streams.amqp.address import Address
from ackflow.streams.amqp.raw import Raw
from ackflow.streams.amqp.server import Server
from ackflow.streams.amqp.tap import Tap
from ackflow.streams.amqp.wire import Wire
from ackflow.streams.core import SourceError

if TYPE_CHECKING:
    from aiormq.channel import Channel
    from aiormq.connection import Connection

Purpose = Literal["consuming", "publishing"]

ANSWER_WITHIN = 10.0
"""Seconds in which a broker answers a call, or counts as gone."""
CLOSE_WITHIN = 5.0
"""Seconds that an orderly close may take."""
FRAME_BUFFER = 256
"""Frames that aiormq reads ahead per channel: its default of 10 ends a run after 3 deliveries."""

logger = logging.getLogger("ackflow.amqp")


class Link:
    """A connection while it lives, and how many use it."""

    def __init__(
        self,
        connection: "Connection",
        address: Address,
        shared: "_Shared",
        wire: Wire | None = None,
    ) -> None:
        self.connection = connection
        self.address = address
        self._wire = wire
        self.users = 0
        self._shared = shared
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

    def tap(
        self, channel: "Channel", deliver: Callable[[Sequence[Raw]], None], kept_bytes: int
    ) -> None:
        """Have the deliveries of a channel taken off the wire; without one they go to aiormq."""
        if self._wire is not None:
            frame_max = self.connection.connection_tune.frame_max or 0
            self._wire.tap(channel.number, Tap(deliver, kept_bytes), frame_max)

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
        self._shared.release()
        if self.users <= 0 and self._closing is None:
            self._closing = asyncio.create_task(close(self.connection))
        if self._closing is not None:
            await asyncio.shield(self._closing)


class _Shared:
    """The connection of one loop, server and purpose, past and present."""

    def __init__(self, server: Server, purpose: Purpose) -> None:
        self._server = server
        self._purpose: Purpose = purpose
        self._lock = asyncio.Lock()
        self._link: Link | None = None
        self._users = 0

    async def join(self, within: float) -> Link:
        self._users += 1
        try:
            async with self._lock:
                if self._link is None or not self._link.open:
                    self._link = await self._connect(within)
                self._link.users += 1
                return self._link
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Count one user less; what nobody uses is forgotten, and the loop with it."""
        self._users -= 1
        if not self._users:
            loop = asyncio.get_running_loop()
            del _all[loop][self._server, self._purpose]
            if not _all[loop]:
                del _all[loop]

    async def _connect(self, within: float) -> Link:
        """Try each address once, beginning after the one that failed last."""
        errors: list[SourceError] = []
        for _ in self._server.addresses:
            address = self._server.addresses[_turns.get(self._server, 0)]
            try:
                link = await self._open(address, within)
            except SourceError as error:
                errors.append(error)
                self._turn()
            else:
                link.connection.closing.add_done_callback(partial(self._lost, link))
                return link
        kind = type(errors[0]) if len({type(error) for error in errors}) == 1 else SourceError
        raise kind("; ".join(map(str, errors))) from errors[0].__cause__

    def _lost(self, link: Link, _: "asyncio.Future[Any]") -> None:
        if link.users:
            self._turn()

    def _turn(self) -> None:
        """Begin with the next address the next time."""
        turn = _turns.get(self._server, 0) + 1
        _turns[self._server] = turn % len(self._server.addresses)

    async def _open(self, address: Address, within: float) -> Link:
        from ackflow.streams.amqp.frames import Connection

        server = self._server
        wire = choice.wire() if self._purpose == "consuming" else None
        try:
            context = await asyncio.to_thread(server.context_for, address)
            connection = Connection(
                _url(address, server.heartbeat_for(address)),
                context=context,
                client_properties={"connection_name": server.name_for(address, self._purpose)},
                **choice.transport(wire),
            )
            connection.vhost = address.vhost
            await _connected(connection, within)
        except Exception as error:
            raise refusals.connecting(error, address) from error
        return Link(connection, address, self, wire)


async def _connected(connection: "Connection", within: float) -> None:
    """Connect in time. Cancelling aiormq's connect can take as long as TLS takes to give up."""
    task = asyncio.ensure_future(connection.connect())
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        await asyncio.wait([task], timeout=within)
        if not task.done():
            raise TimeoutError
        if task.cancelled():
            raise ConnectionError("the connection was lost")
        await task
    finally:
        task.cancel()


def _url(address: Address, heartbeat: int) -> str:
    """Write a URL for aiormq, which takes the vhost and the connection's name by other ways."""
    scheme = "amqps" if address.tls else "amqp"
    host = f"[{address.host}]" if ":" in address.host else address.host
    account = f"{quote(address.user, safe='')}:{quote(address.password, safe='')}"
    return f"{scheme}://{account}@{host}:{address.port}/?heartbeat={heartbeat}"


_all: "WeakKeyDictionary[AbstractEventLoop, dict[tuple[Server, Purpose], _Shared]]" = (
    WeakKeyDictionary()
)
_turns: dict[Server, int] = {}
"""Which address to begin with."""


async def join(server: Server, purpose: Purpose, *, within: float = ANSWER_WITHIN) -> Link:
    """Return the running loop's connection to a server, opened if there is none; `leave` it after.

    `within`: seconds that each address has to answer. Raises Unreachable or Refused, saying why.
    """
    shared = _all.setdefault(asyncio.get_running_loop(), {})
    if (server, purpose) not in shared:
        shared[server, purpose] = _Shared(server, purpose)
    return await shared[server, purpose].join(within)


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
        logger.debug("closing: %r", error)
