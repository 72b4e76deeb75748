"""What tests against a broker share: a second client to look with, a proxy to cut with, sinks."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import aiormq
from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp.commands import Basic

from ackflow.streams.core import Sink, Summary

WITHIN = 30.0
"""Seconds that anything may take before the test fails."""


def unique(name: str) -> str:
    """Name a queue that no other test uses."""
    return f"{name}-{secrets.token_hex(4)}"


@asynccontextmanager
async def channel(url: str) -> AsyncIterator[AbstractChannel]:
    """Open a channel of the test's own."""
    connection = await aiormq.connect(url)
    try:
        yield await connection.channel()
    finally:
        await connection.close()


async def declare(url: str, queue: str, **arguments: Any) -> None:
    """Declare a durable queue."""
    async with channel(url) as own:
        await own.queue_declare(queue, durable=True, arguments=arguments)


async def fill(
    url: str, queue: str, bodies: Iterable[bytes], properties: Basic.Properties | None = None
) -> None:
    """Publish persistent messages to a queue; return when the broker has confirmed them."""
    connection = await aiormq.connect(url)
    try:
        own = await connection.channel(publisher_confirms=False)
        for body in bodies:
            await own.basic_publish(
                body,
                routing_key=queue,
                properties=properties or Basic.Properties(delivery_mode=2),
                wait=False,
            )
        # The broker works through a channel in order: this answer comes after all of them.
        await own.queue_declare(queue, passive=True)
    finally:
        await connection.close()


async def ready(url: str, queue: str) -> int:
    """Return how many messages wait in a queue."""
    async with channel(url) as own:
        answer = await own.queue_declare(queue, passive=True)
        return answer.message_count or 0


async def take(url: str, queue: str) -> list[DeliveredMessage]:
    """Take all messages out of a queue."""
    taken: list[DeliveredMessage] = []

    async def keep(message: DeliveredMessage) -> None:
        taken.append(message)

    async with channel(url) as own:
        count = (await own.queue_declare(queue, passive=True)).message_count or 0
        if count:
            await own.basic_consume(queue, keep, no_ack=True)
            await eventually(lambda: len(taken) >= count)
    return taken


async def eventually(check: Callable[[], Any], within: float = WITHIN) -> Any:
    """Return what a check, sync or async, returns once it is true; fail after a while."""
    async with asyncio.timeout(within):
        while True:
            answer = check()
            if isinstance(answer, Awaitable):
                answer = await answer
            if answer:
                return answer
            await asyncio.sleep(0.02)


class Collect(Sink[Any, Summary]):
    """Keeps what it is given; `on` is called with each element before, and may raise or wait."""

    name = "collect"

    def __init__(
        self, on: Callable[[Any], Awaitable[None] | None] | None = None, *, max_items: int = 1000
    ) -> None:
        self.items: list[Any] = []
        self.max_items = max_items if on is None else 1
        self._on = on

    async def write(self, items: Sequence[Any]) -> None:
        for item in items:
            if self._on is not None and (waiting := self._on(item)) is not None:
                await waiting
        self.items.extend(items)


class Proxy:
    """Stands between client and broker, and cuts, or accepts nothing more."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self.connections = 0
        self.refusing = False

    @property
    def url(self) -> str:
        """Where clients find it."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        target = self._target
        return f"amqp://{target.username}:{target.password}@127.0.0.1:{port}{target.path}"

    async def __aenter__(self) -> "Proxy":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for pump in list(self._pumps):
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    def cut(self) -> None:
        """Reset every connection."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.refusing:
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection(
            self._target.hostname, self._target.port
        )
        self._writers |= {writer, far_writer}
        for pair in ((reader, far_writer), (far_reader, writer)):
            pump = asyncio.create_task(self._pump(*pair))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        self._writers.discard(writer)
        writer.transport.abort()
