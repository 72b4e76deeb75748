"""Connections: one for consuming and one for publishing per loop and server, shared by their users.

Two, because a broker short of memory reads nothing more from a connection that publishes, acks on it
included: https://www.rabbitmq.com/docs/alarms
"""

import asyncio
from asyncio import AbstractEventLoop
from functools import partial
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote
from weakref import WeakKeyDictionary

from ackflow.streams.amqp import choice, refusals
from ackflow.streams.amqp.address import Address
from ackflow.streams.amqp.link import ANSWER_WITHIN, Link
from ackflow.streams.amqp.server import Server
from ackflow.streams.core import SourceError

if TYPE_CHECKING:
    from aiormq.connection import Connection

Purpose = Literal["consuming", "publishing"]


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
        transport = choice.transport()
        try:
            context = await asyncio.to_thread(server.context_for, address)
            connection = Connection(
                _url(address, server.heartbeat_for(address)),
                context=context,
                client_properties={"connection_name": server.name_for(address, self._purpose)},
                **({"transport_factory": transport} if transport is not None else {}),
            )
            connection.vhost = address.vhost
            await _connected(connection, within)
        except Exception as error:
            raise refusals.connecting(error, address) from error
        return Link(connection, address, self.release, transport)


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
